namespace TurboDiffusion.Cli.Diagnosis;

/// <summary>Whether a thing will do.</summary>
internal enum Health
{
    /// <summary>It will do.</summary>
    Fine,

    /// <summary>Videos can be made, with limits.</summary>
    Warning,

    /// <summary>No video can be made.</summary>
    Broken,
}
