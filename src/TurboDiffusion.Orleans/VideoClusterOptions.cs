namespace TurboDiffusion.Orleans;

/// <summary>How a process belongs to a cluster. Checked when the application starts.</summary>
public sealed class VideoClusterOptions
{
    /// <summary>
    /// The Redis that knows the cluster's machines and keeps its jobs, such as <c>redis://user:password@host:6379/0</c>
    /// (<c>rediss</c> for TLS); <see langword="null"/> is a cluster of this process alone, in memory.
    /// </summary>
    public string? Redis { get; set; }

    /// <summary>What this process does.</summary>
    public VideoClusterRole Role { get; set; }

    /// <summary>The cluster's name: several may share a Redis.</summary>
    public string Name { get; set; } = "turbodiffusion";

    /// <summary>
    /// Where the other processes reach this one, such as <c>10.0.0.7:11111</c>; port 0, or none, is a free one. <see langword="null"/>: the
    /// machine's own address. Whoever reaches it is trusted: the network is the cluster's own.
    /// </summary>
    public string? Address { get; set; }

    /// <summary>
    /// What a worker tells of its machine, beside its models: names of cards, each with its memory in bytes. Nobody decides by it.
    /// </summary>
    public IDictionary<string, long> Cards { get; set; } = new Dictionary<string, long>(StringComparer.Ordinal);

    /// <summary>
    /// How long a worker may be silent before its job is given to another; it gives a sign three times as often. At least 3 seconds.
    /// </summary>
    public TimeSpan Lease { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a job waits for a worker that has its model in memory before it goes to one that must load it.</summary>
    public TimeSpan Affinity { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a process does not answer the others before they take it for dead. At least 3 seconds.</summary>
    public TimeSpan DeathAfter { get; set; } = TimeSpan.FromSeconds(15);
}
