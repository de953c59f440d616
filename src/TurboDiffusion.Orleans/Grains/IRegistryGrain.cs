namespace TurboDiffusion.Orleans.Grains;

/// <summary>Which workers there are, and which models they run. One for the cluster, and out of the way of jobs.</summary>
internal interface IRegistryGrain : IGrainWithStringKey
{
    /// <summary>The only key.</summary>
    const string Key = "cluster";

    /// <summary>A worker is there; it says so every few seconds.</summary>
    Task AnnounceAsync(WorkerInfo worker);

    /// <summary>The workers that were heard of lately.</summary>
    Task<WorkerInfo[]> WorkersAsync();

    /// <summary>
    /// The models that jobs can name: those of the last day's workers, so that jobs are taken while none is there. The one that was known
    /// first is first.
    /// </summary>
    Task<string[]> ModelsAsync();
}
