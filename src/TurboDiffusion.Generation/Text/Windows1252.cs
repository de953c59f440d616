using System.Text;

namespace TurboDiffusion.Generation.Text;

/// <summary>The Windows-1252 code page; its five unassigned bytes stand for the control characters of that number.</summary>
internal static class Windows1252
{
    /// <summary>The character of each byte.</summary>
    public static string Characters { get; } =
        CodePagesEncodingProvider.Instance.GetEncoding(1252)!.GetString([.. Enumerable.Range(0, 256).Select(b => (byte)b)]);

    private static readonly Dictionary<char, byte> Bytes =
        Enumerable.Range(0, 256).ToDictionary(b => Characters[b], b => (byte)b);

    /// <summary>The byte that was misread as this character, by Windows-1252 or by Latin-1.</summary>
    public static bool TryGetByte(char character, out byte value)
    {
        if (Bytes.TryGetValue(character, out value)) return true;
        value = (byte)character;
        return character <= 0xFF;
    }
}
