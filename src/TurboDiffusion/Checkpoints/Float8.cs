namespace TurboDiffusion.Checkpoints;

/// <summary>8-bit floats in files. They are shown and read as bfloat16, which holds each of their values exactly.</summary>
internal sealed class Float8
{
    private readonly ushort[] _values;

    private Float8(string name, int mantissaBits, bool finite)
    {
        Name = name;
        _values = [.. Enumerable.Range(0, 256).Select(bits => BFloat16(Value(bits, mantissaBits, finite)))];
    }

    /// <summary>1 sign, 4 exponent and 3 mantissa bits, no infinity.</summary>
    public static Float8 E4M3 { get; } = new("F8_E4M3", 3, finite: true);

    /// <summary>1 sign, 5 exponent and 2 mantissa bits, as IEEE 754 would have it.</summary>
    public static Float8 E5M2 { get; } = new("F8_E5M2", 2, finite: false);

    /// <summary>The name in safetensors headers.</summary>
    public string Name { get; }

    public static Float8? Find(string? name) => name == E4M3.Name ? E4M3 : name == E5M2.Name ? E5M2 : null;

    /// <summary>Turns bytes into as many bfloat16 values.</summary>
    public void Decode(ReadOnlySpan<byte> stored, Span<byte> values)
    {
        Span<ushort> target = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ushort>(values);
        for (int i = 0; i < stored.Length; i++) target[i] = _values[stored[i]];
    }

    private static float Value(int bits, int mantissaBits, bool finite)
    {
        int exponentBits = 7 - mantissaBits, bias = (1 << (exponentBits - 1)) - 1;
        int exponent = (bits & 0x7f) >> mantissaBits, mantissa = bits & ((1 << mantissaBits) - 1), top = (1 << exponentBits) - 1;
        float sign = (bits & 0x80) != 0 ? -1 : 1, fraction = mantissa / (float)(1 << mantissaBits);
        if (finite && (bits & 0x7f) == 0x7f) return float.NaN;
        if (!finite && exponent == top) return mantissa == 0 ? sign * float.PositiveInfinity : float.NaN;
        return sign * (exponent == 0 ? MathF.ScaleB(fraction, 1 - bias) : MathF.ScaleB(1 + fraction, exponent - bias));
    }

    private static ushort BFloat16(float value) => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
}
