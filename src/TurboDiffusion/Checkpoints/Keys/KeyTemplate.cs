using System.Text;
using System.Text.RegularExpressions;

namespace TurboDiffusion.Checkpoints.Keys;

/// <summary>
/// A tensor name with placeholders: <c>{n}</c> is a whole number, <c>{x:q|k|v}</c> one of the words given, and
/// <c>{x}</c> on the other side of a rule repeats it. Matches whole names only, in time linear in the name.
/// </summary>
internal sealed partial class KeyTemplate
{
    private const int MaxDigits = 6;

    private readonly List<Part> _parts = [];

    /// <param name="text">The template.</param>
    /// <param name="words">Of each placeholder that is not a number, its words.</param>
    public KeyTemplate(string text, IReadOnlyDictionary<string, string[]> words)
    {
        int at = 0;
        foreach (Match placeholder in Placeholder().Matches(text))
        {
            _parts.Add(new Part(text[at..placeholder.Index], placeholder.Groups[1].Value,
                words.GetValueOrDefault(placeholder.Groups[1].Value)));
            at = placeholder.Index + placeholder.Length;
        }
        _parts.Add(new Part(text[at..], null, null));
    }

    /// <summary>The words of the placeholders that a template declares, longest first.</summary>
    public static IEnumerable<KeyValuePair<string, string[]>> DeclaredWords(string text) =>
        from Match m in Placeholder().Matches(text)
        where m.Groups[2].Success
        select KeyValuePair.Create<string, string[]>(m.Groups[1].Value, [.. m.Groups[2].Value.Split('|').OrderByDescending(w => w.Length)]);

    /// <summary>What stands in a name for each placeholder; null where the name does not match.</summary>
    public Dictionary<string, string>? Match(string key)
    {
        Dictionary<string, string>? found = null;
        ReadOnlySpan<char> rest = key;
        foreach (Part part in _parts)
        {
            if (!rest.StartsWith(part.Literal, StringComparison.Ordinal)) return null;
            rest = rest[part.Literal.Length..];
            if (part.Placeholder is null) continue;
            int length = part.Words is null ? NumberLength(rest) : WordLength(rest, part.Words);
            if (length == 0) return null;
            (found ??= []).Add(part.Placeholder, rest[..length].ToString());
            rest = rest[length..];
        }
        return rest.IsEmpty ? found ?? [] : null;
    }

    /// <summary>The template with what another one's placeholders matched.</summary>
    public string Fill(Dictionary<string, string> values)
    {
        var key = new StringBuilder();
        foreach (Part part in _parts) key.Append(part.Literal).Append(part.Placeholder is { } name ? values[name] : null);
        return key.ToString();
    }

    public override string ToString() =>
        string.Concat(_parts.Select(part => part.Literal + (part.Placeholder is { } name ? $"{{{name}}}" : "")));

    private static int NumberLength(ReadOnlySpan<char> text)
    {
        int end = text.IndexOfAnyExceptInRange('0', '9');
        int length = end < 0 ? text.Length : end;
        return length > MaxDigits || length > 1 && text[0] == '0' ? 0 : length;
    }

    private static int WordLength(ReadOnlySpan<char> text, string[] words)
    {
        foreach (string word in words)
            if (text.StartsWith(word, StringComparison.Ordinal)) return word.Length;
        return 0;
    }

    [GeneratedRegex(@"\{([a-z]+)(?::([a-z0-9_|]+))?\}", RegexOptions.CultureInvariant)]
    private static partial Regex Placeholder();

    // A literal text, and the placeholder after it; a placeholder without words is a number.
    private sealed record Part(string Literal, string? Placeholder, string[]? Words);
}
