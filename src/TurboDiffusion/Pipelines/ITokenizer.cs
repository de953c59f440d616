namespace TurboDiffusion.Pipelines;

/// <summary>Cleans a prompt and splits it into token ids. Safe for concurrent use.</summary>
public interface ITokenizer
{
    /// <summary>Every id is below this number; a text encoder must have at least as many rows.</summary>
    int VocabularySize { get; }

    /// <summary>The number of ids of every encoded prompt, padding included.</summary>
    int MaxLength { get; }

    /// <summary>Encodes one prompt: cleaned, truncated to <see cref="MaxLength"/> − 1 tokens, ended, padded.</summary>
    /// <param name="prompt">The text; may be empty, as a negative prompt often is.</param>
    TokenizedPrompt Encode(string prompt);
}
