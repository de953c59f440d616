namespace TurboDiffusion.Extensions.AI;

/// <summary>What a model may do with <see cref="VideoGenerationFunctions"/>.</summary>
public sealed class VideoGenerationFunctionOptions
{
    internal const int DefaultMaxPromptLength = 4000;

    /// <summary>
    /// Where videos are written that a generator returns as bytes; <see langword="null"/> is the folder
    /// <c>turbodiffusion-videos</c> among the temporary files. Nothing there is overwritten. A generator that writes
    /// files itself writes them where it was told to.
    /// </summary>
    public string? OutputDirectory { get; set; }

    /// <summary>The folders, with all below them, whose images may be animated. None, unless set.</summary>
    public IList<string> AllowedInputFolders { get; set; } = [];

    /// <summary>The longest prompt that is accepted, in characters.</summary>
    public int MaxPromptLength { get; set; } = DefaultMaxPromptLength;

    /// <summary>Options for every call, such as a size or a model; what the model asks for wins.</summary>
    public VideoGenerationOptions? Defaults { get; set; }
}
