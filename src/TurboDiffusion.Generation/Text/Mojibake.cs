using System.Text;

namespace TurboDiffusion.Generation.Text;

/// <summary>
/// Repairs text whose UTF-8 bytes were read as Windows-1252 or Latin-1: "cafÃ©" becomes "café", "donâ€™t" becomes
/// "don’t". Each place is judged by itself, so that sound text beside it stays.
/// </summary>
/// <remarks>
/// Sound text can look like UTF-8 too: "CAFÉ®", "café »" with a no-break space. A run of two or more characters that
/// decode is always taken for mojibake; a single one only where its neighbours say so (<see cref="IsPlausible"/>).
/// </remarks>
internal static class Mojibake
{
    // What may follow an accented letter in sound text.
    private const string Punctuation = "\u00A0«»‹›‘’‚“”„–—…•·©®™°";

    /// <summary>Repairs a text, repeatedly misread text included.</summary>
    public static string Repair(string text)
    {
        string before;
        do
        {
            before = text;
            text = RepairOnce(text);
        }
        while (text.Length < before.Length);
        return text;
    }

    private static string RepairOnce(string text)
    {
        var result = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length;)
        {
            int end = i, count = 0;
            var run = new StringBuilder();
            while (TryDecode(text.AsSpan(end), out Rune rune, out int length))
            {
                run.Append(rune);
                end += length;
                count++;
            }
            if (count > 1 || (count == 1 && IsPlausible(text, i, end)))
            {
                result.Append(run);
                i = end;
            }
            else
            {
                result.Append(text[i++]);
            }
        }
        return result.ToString();
    }

    /// <summary>Reads one character of two to four bytes, each byte written as a character.</summary>
    private static bool TryDecode(ReadOnlySpan<char> text, out Rune rune, out int length)
    {
        Span<byte> bytes = stackalloc byte[4];
        for (length = 0; length < Math.Min(4, text.Length); length++)
            if (!Windows1252.TryGetByte(text[length], out bytes[length]) || bytes[length] < 0x80) break;
        return Rune.DecodeFromUtf8(bytes[..length], out rune, out length) == System.Buffers.OperationStatus.Done;
    }

    private static bool IsPlausible(string text, int start, int end)
    {
        char before = start > 0 ? text[start - 1] : ' ', after = end < text.Length ? text[end] : ' ';
        return (end - start) switch
        {
            // An accented capital and a symbol. In sound text capitals precede it, and no small letter is beside it;
            // Â and Ã hardly occur outside words in capitals.
            2 => char.IsUpper(text[start]) && !char.IsUpper(before)
                && (text[start] is 'Â' or 'Ã' || char.IsLower(before) || char.IsLower(after)),
            // An accented small letter and two symbols.
            3 => !Punctuation.Contains(text[start + 1]),
            _ => true,
        };
    }
}
