using System.Text;

namespace TurboDiffusion.Generation.Text;

/// <summary>
/// Cleans a prompt as the official code does before it is tokenized: mojibake is repaired, HTML entities are decoded
/// twice, white space is collapsed and trimmed. Nothing else changes: case, punctuation, typographic quotes, ligatures,
/// full-width letters and control characters stay, and the tokenizer's own normalisation deals with them.
/// </summary>
/// <remarks>thu-ml/TurboDiffusion aaecff5, turbodiffusion/rcm/utils/umt5.py, <c>basic_clean</c> and <c>whitespace_clean</c>.</remarks>
public static class TextCleaner
{
    /// <summary>Cleans a text.</summary>
    /// <param name="text">The prompt as the user wrote it.</param>
    public static string Clean(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        text = Mojibake.Repair(text);
        text = HtmlEntities.Decode(HtmlEntities.Decode(text));
        return CollapseWhiteSpace(Trim(text));
    }

    /// <summary>Each run of Unicode white space becomes one space; none is left at the ends.</summary>
    internal static string CollapseWhiteSpace(string text)
    {
        var result = new StringBuilder(text.Length);
        foreach (char c in text)
        {
            if (!char.IsWhiteSpace(c)) result.Append(c);
            else if (result.Length > 0 && result[^1] != ' ') result.Append(' ');
        }
        return Trim(result.ToString());
    }

    /// <summary>Python's <c>str.strip</c>, which also takes the four information separators for white space.</summary>
    private static string Trim(string text)
    {
        int start = 0, end = text.Length;
        while (start < end && IsPythonSpace(text[start])) start++;
        while (end > start && IsPythonSpace(text[end - 1])) end--;
        return text[start..end];
    }

    private static bool IsPythonSpace(char c) => char.IsWhiteSpace(c) || c is >= '\u001C' and <= '\u001F';
}
