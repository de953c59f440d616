using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using AngleSharp.Html;

namespace TurboDiffusion.Generation.Text;

/// <summary>
/// Decodes HTML character references as Python's <c>html.unescape</c> does: all names of HTML 5, the older ones also
/// without a semicolon and as the beginning of a longer word, and numbers with the corrections of the standard.
/// </summary>
/// <remarks>HTML Living Standard, section 13.2.5.72 and following. The names are those of AngleSharp.</remarks>
internal static partial class HtmlEntities
{
    public static string Decode(string text) =>
        text.Contains('&') ? Reference().Replace(text, match => Decode(match.Groups[1].Value, match.Value)) : text;

    private static string Decode(string reference, string whole)
    {
        if (reference[0] == '#') return DecodeNumber(reference.AsSpan(1).TrimEnd(';'));
        for (int length = reference.Length; length > 1; length--)
            if (HtmlEntityProvider.Resolver.GetSymbol(reference[..length]) is { } symbol)
                return symbol + reference[length..];
        return whole;
    }

    private static string DecodeNumber(ReadOnlySpan<char> digits)
    {
        bool hex = digits[0] is 'x' or 'X';
        NumberStyles style = hex ? NumberStyles.AllowHexSpecifier : NumberStyles.None;
        // Too large for 64 bits is also beyond Unicode.
        if (!ulong.TryParse(hex ? digits[1..] : digits, style, CultureInfo.InvariantCulture, out ulong number)
            || number is 0 or > 0x10FFFF or (>= 0xD800 and <= 0xDFFF))
            return "\uFFFD";
        if (number is >= 0x80 and <= 0x9F) return Windows1252.Characters[(int)number].ToString();
        bool dropped = number is < 0x09 or 0x0B or (>= 0x0E and <= 0x1F) or 0x7F or (>= 0xFDD0 and <= 0xFDEF)
            || (number & 0xFFFE) == 0xFFFE;
        return dropped ? "" : new Rune((uint)number).ToString();
    }

    [GeneratedRegex(@"&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)", RegexOptions.CultureInvariant)]
    private static partial Regex Reference();
}
