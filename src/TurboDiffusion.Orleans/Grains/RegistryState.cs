namespace TurboDiffusion.Orleans.Grains;

/// <summary>What is stored of the registry.</summary>
internal sealed record RegistryState
{
    /// <summary>The models in the order in which they became known, and when a worker last told of each.</summary>
    public IReadOnlyList<KnownModel> Models { get; init; } = [];
}

/// <summary>A model that a worker told of.</summary>
internal sealed record KnownModel(string Name, DateTimeOffset LastSeen);
