namespace TurboDiffusion.Orleans.Grains;

/// <summary>What a queue needs to know of a job: it waits, or it runs, or neither, and is done with.</summary>
/// <param name="Waits">Whether it is to be run.</param>
/// <param name="AskAgainAfter">While it runs: after how long to ask again.</param>
internal sealed record JobStanding(bool Waits, TimeSpan? AskAgainAfter = null)
{
    public static JobStanding Waiting { get; } = new(Waits: true);

    public static JobStanding Done { get; } = new(Waits: false);
}
