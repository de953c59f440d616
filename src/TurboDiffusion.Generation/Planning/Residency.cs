namespace TurboDiffusion.Generation.Planning;

/// <summary>Which weights are in memory together.</summary>
public enum Residency
{
    /// <summary>All, from the first use on: nothing is read twice.</summary>
    Resident,

    /// <summary>
    /// Those of the stage at hand, read again for every video; the text encoder block by block, and one expert at a time.
    /// </summary>
    Staged,

    /// <summary>
    /// As <see cref="Staged"/>, but that the transformers' blocks stay in pinned host memory and come to the device one after the other,
    /// each while the one before it runs.
    /// </summary>
    Swapped,
}
