namespace TurboDiffusion.Pipelines;

/// <summary>A prompt as token ids.</summary>
/// <param name="Text">The cleaned text that was encoded.</param>
/// <param name="Ids">The ids, the end of text, then padding.</param>
/// <param name="Length">How many of the ids are not padding; at least 1, the end of text.</param>
public sealed record TokenizedPrompt(string Text, IReadOnlyList<long> Ids, int Length)
{
    /// <summary>How many more tokens the text has, which are left out.</summary>
    public int Dropped { get; init; }
}
