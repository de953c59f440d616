namespace TurboDiffusion.Orleans.Grains;

/// <summary>What became of a result.</summary>
internal enum Publication
{
    /// <summary>It is the job's result.</summary>
    Accepted,

    /// <summary>The job has another run or another result; this one is dropped.</summary>
    Superseded,

    /// <summary>The job was deleted.</summary>
    Gone,
}
