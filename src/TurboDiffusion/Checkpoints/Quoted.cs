using System.Text;

namespace TurboDiffusion.Checkpoints;

/// <summary>Text from a file, made fit for a one-line message.</summary>
internal static class Quoted
{
    private const int Longest = 120;
    private const int NamesShown = 8;

    /// <summary>The text in single quotes, clipped, with control characters replaced.</summary>
    public static string Name(string text)
    {
        var shown = new StringBuilder("'");
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, Longest)))
            shown.Append(char.IsControl(c) || char.IsSurrogate(c) ? '?' : c);
        return shown.Append(text.Length > Longest ? "…'" : "'").ToString();
    }

    /// <summary>The first few, then an ellipsis if there are more.</summary>
    public static string List(IReadOnlyCollection<string> items) =>
        string.Join(", ", items.Take(NamesShown)) + (items.Count > NamesShown ? ", …" : "");
}
