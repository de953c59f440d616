namespace TurboDiffusion.Generation.Planning;

/// <summary>Which weights are in memory together.</summary>
public enum Residency
{
    /// <summary>All, from the first use on: nothing is read twice.</summary>
    Resident,

    /// <summary>Those of the stage at hand; the text encoder block by block, and one expert at a time (<c>--low-memory</c>).</summary>
    Staged,
}
