namespace TurboDiffusion.Orleans;

/// <summary>What a process does for the cluster.</summary>
public enum VideoClusterRole
{
    /// <summary>It takes jobs and runs them.</summary>
    Both,

    /// <summary>It takes jobs, and keeps the queue; it needs no GPU and no model.</summary>
    Front,

    /// <summary>It runs jobs.</summary>
    Worker,
}
