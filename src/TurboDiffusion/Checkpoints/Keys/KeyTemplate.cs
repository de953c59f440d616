using System.Text;
using System.Text.RegularExpressions;

namespace TurboDiffusion.Checkpoints.Keys;

/// <summary>
/// A tensor name with placeholders: <c>{n}</c> is a whole number, <c>{x:q|k|v}</c> one of the words given, and
/// <c>{x}</c> on the other side of a rule repeats it. Matches whole names only.
/// </summary>
internal sealed partial class KeyTemplate
{
    private readonly string _text;
    private readonly Regex _pattern;

    /// <param name="text">The template.</param>
    /// <param name="words">Of each placeholder that is not a number, its words.</param>
    public KeyTemplate(string text, IReadOnlyDictionary<string, string> words)
    {
        _text = Placeholder().Replace(text, "{$1}");
        var pattern = new StringBuilder(@"\A");
        int at = 0;
        foreach (Match placeholder in Placeholder().Matches(text))
        {
            string name = placeholder.Groups[1].Value;
            pattern.Append(Regex.Escape(text[at..placeholder.Index]))
                .Append($"(?<{name}>{(words.TryGetValue(name, out string? choice) ? choice : "0|[1-9][0-9]{0,5}")})");
            at = placeholder.Index + placeholder.Length;
        }
        pattern.Append(Regex.Escape(text[at..])).Append(@"\z");
        _pattern = new Regex(pattern.ToString(), RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture);
    }

    /// <summary>The words of the placeholders that a template declares.</summary>
    public static IEnumerable<KeyValuePair<string, string>> DeclaredWords(string text) =>
        from Match m in Placeholder().Matches(text) where m.Groups[2].Success
        select KeyValuePair.Create(m.Groups[1].Value, string.Join('|', m.Groups[2].Value.Split('|').Select(Regex.Escape)));

    public Match Match(string key) => _pattern.Match(key);

    /// <summary>The template with what another one's placeholders matched.</summary>
    public string Fill(Match match) => Placeholder().Replace(_text, p => match.Groups[p.Groups[1].Value].Value);

    public override string ToString() => _text;

    [GeneratedRegex(@"\{([a-z]+)(?::([a-z0-9_|]+))?\}", RegexOptions.CultureInvariant)]
    private static partial Regex Placeholder();
}
