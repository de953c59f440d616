using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace TurboDiffusion.Generation.Text;

/// <summary>
/// The normaliser's rules as the model file stores them ("precompiled charsmap"): a double-array trie over UTF-8 whose
/// values are places in a block of zero-terminated replacements.
/// </summary>
/// <remarks>
/// Layout: uint32 size of the trie, the trie (uint32 units), the replacements. A unit is that of the Darts-clone
/// library: bits 0–7 label, bit 8 "a value follows", bit 9 "offset is in units of 256", bits 10–30 offset; a unit that
/// is a value has bit 31 set.
/// </remarks>
internal sealed class CharacterMap
{
    private const uint IsValue = 1u << 31;

    private readonly uint[] _units;
    private readonly byte[] _replacements;

    private CharacterMap(uint[] units, byte[] replacements) => (_units, _replacements) = (units, replacements);

    /// <summary>Reads the rules, or returns null where they are malformed.</summary>
    public static CharacterMap? Read(ReadOnlySpan<byte> rules)
    {
        if (rules.Length < 4) return null;
        uint trieBytes = BinaryPrimitives.ReadUInt32LittleEndian(rules);
        if (trieBytes == 0 || trieBytes % 4 != 0 || trieBytes > rules.Length - 4) return null;
        uint[] units = MemoryMarshal.Cast<byte, uint>(rules.Slice(4, (int)trieBytes)).ToArray();
        if (!BitConverter.IsLittleEndian) BinaryPrimitives.ReverseEndianness(units, units);
        byte[] replacements = rules[(4 + (int)trieBytes)..].ToArray();
        if (replacements is [] or [.., not 0]) return null;
        bool inside = units.All(u => (u & IsValue) == 0 || (u & ~IsValue) < replacements.Length);
        return inside ? new CharacterMap(units, replacements) : null;
    }

    /// <summary>The longest rule that the text starts with.</summary>
    /// <param name="text">UTF-8.</param>
    /// <param name="replacement">What stands in its place; may be empty.</param>
    /// <returns>The number of bytes that the rule replaces; 0 if no rule applies.</returns>
    public int Match(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> replacement)
    {
        replacement = default;
        int longest = 0;
        uint node = Offset(_units[0]);
        for (int i = 0; i < text.Length; i++)
        {
            node ^= text[i];
            if (node >= _units.Length) break;
            uint unit = _units[node];
            if ((unit & (IsValue | 0xFF)) != text[i]) break;
            node ^= Offset(unit);
            if ((unit >> 8 & 1) == 0 || node >= _units.Length || (_units[node] & IsValue) == 0) continue;
            longest = i + 1;
            ReadOnlySpan<byte> tail = _replacements.AsSpan((int)(_units[node] & ~IsValue));
            replacement = tail[..tail.IndexOf((byte)0)];
        }
        return longest;
    }

    private static uint Offset(uint unit) => unit >> 10 << (int)((unit & 1 << 9) >> 6);
}
