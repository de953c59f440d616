using System.Buffers.Binary;

namespace TurboDiffusion.Checkpoints.Gguf;

/// <summary>The values of one block of each quantized type.</summary>
internal static class GgmlBlocks
{
    // The 16 levels of the IQ4 types.
    private static ReadOnlySpan<sbyte> Levels => [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    public static void Q4_0(ReadOnlySpan<byte> block, Span<float> y)
    {
        float d = Half(block, 0);
        for (int j = 0; j < 16; j++)
        {
            y[j] = d * ((block[2 + j] & 15) - 8);
            y[j + 16] = d * ((block[2 + j] >> 4) - 8);
        }
    }

    public static void Q4_1(ReadOnlySpan<byte> block, Span<float> y)
    {
        float d = Half(block, 0), m = Half(block, 2);
        for (int j = 0; j < 16; j++)
        {
            y[j] = d * (block[4 + j] & 15) + m;
            y[j + 16] = d * (block[4 + j] >> 4) + m;
        }
    }

    public static void Q5_0(ReadOnlySpan<byte> block, Span<float> y)
    {
        float d = Half(block, 0);
        uint high = BinaryPrimitives.ReadUInt32LittleEndian(block[2..]);
        for (int j = 0; j < 16; j++)
        {
            y[j] = d * ((block[6 + j] & 15 | FifthBit(high, j)) - 16);
            y[j + 16] = d * ((block[6 + j] >> 4 | FifthBit(high, j + 16)) - 16);
        }
    }

    public static void Q5_1(ReadOnlySpan<byte> block, Span<float> y)
    {
        float d = Half(block, 0), m = Half(block, 2);
        uint high = BinaryPrimitives.ReadUInt32LittleEndian(block[4..]);
        for (int j = 0; j < 16; j++)
        {
            y[j] = d * (block[8 + j] & 15 | FifthBit(high, j)) + m;
            y[j + 16] = d * (block[8 + j] >> 4 | FifthBit(high, j + 16)) + m;
        }
    }

    public static void Q8_0(ReadOnlySpan<byte> block, Span<float> y)
    {
        float d = Half(block, 0);
        for (int j = 0; j < 32; j++) y[j] = d * (sbyte)block[2 + j];
    }

    public static void Q2_K(ReadOnlySpan<byte> block, Span<float> y)
    {
        ReadOnlySpan<byte> scales = block[..16], q = block.Slice(16, 64);
        float d = Half(block, 80), dmin = Half(block, 82);
        // 16 groups of 16 values: two halves, in each four planes of two bits, in each two runs.
        for (int group = 0; group < 16; group++)
        {
            int bytes = group / 8 * 32 + group % 2 * 16, shift = group % 8 / 2 * 2;
            float scale = d * (scales[group] & 15), min = dmin * (scales[group] >> 4);
            for (int j = 0; j < 16; j++) y[group * 16 + j] = scale * (q[bytes + j] >> shift & 3) - min;
        }
    }

    public static void Q3_K(ReadOnlySpan<byte> block, Span<float> y)
    {
        ReadOnlySpan<byte> mask = block[..32], q = block.Slice(32, 64), scales = block.Slice(96, 12);
        float d = Half(block, 108);
        for (int group = 0; group < 16; group++)
        {
            int bytes = group / 8 * 32 + group % 2 * 16, shift = group % 8 / 2 * 2, bit = group / 2, run = group % 2 * 16;
            int low = group < 8 ? scales[group] & 15 : scales[group - 8] >> 4;
            float scale = d * ((low | (scales[8 + group % 4] >> group / 4 * 2 & 3) << 4) - 32);
            for (int j = 0; j < 16; j++)
                y[group * 16 + j] = scale * ((q[bytes + j] >> shift & 3) - ((mask[run + j] >> bit & 1) != 0 ? 0 : 4));
        }
    }

    public static void Q4_K(ReadOnlySpan<byte> block, Span<float> y)
    {
        ReadOnlySpan<byte> scales = block.Slice(4, 12), q = block.Slice(16, 128);
        float d = Half(block, 0), dmin = Half(block, 2);
        for (int group = 0; group < 8; group++)
        {
            (int sc, int m) = ScaleAndMin(scales, group);
            float scale = d * sc, min = dmin * m;
            int bytes = group / 2 * 32, shift = group % 2 * 4;
            for (int j = 0; j < 32; j++) y[group * 32 + j] = scale * (q[bytes + j] >> shift & 15) - min;
        }
    }

    public static void Q5_K(ReadOnlySpan<byte> block, Span<float> y)
    {
        ReadOnlySpan<byte> scales = block.Slice(4, 12), high = block.Slice(16, 32), q = block.Slice(48, 128);
        float d = Half(block, 0), dmin = Half(block, 2);
        for (int group = 0; group < 8; group++)
        {
            (int sc, int m) = ScaleAndMin(scales, group);
            float scale = d * sc, min = dmin * m;
            int bytes = group / 2 * 32, shift = group % 2 * 4;
            for (int j = 0; j < 32; j++)
                y[group * 32 + j] = scale * (q[bytes + j] >> shift & 15 | (high[j] >> group & 1) << 4) - min;
        }
    }

    public static void Q6_K(ReadOnlySpan<byte> block, Span<float> y)
    {
        ReadOnlySpan<byte> low = block[..128], high = block.Slice(128, 64), scales = block.Slice(192, 16);
        float d = Half(block, 208);
        // Two halves of 128 values, in each four runs of 32: the low nibbles of two runs of bytes, then their high ones.
        for (int run = 0; run < 8; run++)
        {
            int half = run / 4, part = run % 4, lowBytes = half * 64 + part % 2 * 32, lowShift = part / 2 * 4, highBytes = half * 32,
                highShift = part * 2;
            for (int j = 0; j < 32; j++)
            {
                int q = (low[lowBytes + j] >> lowShift & 15 | (high[highBytes + j] >> highShift & 3) << 4) - 32;
                y[run * 32 + j] = d * (sbyte)scales[run * 2 + j / 16] * q;
            }
        }
    }

    public static void IQ4_NL(ReadOnlySpan<byte> block, Span<float> y)
    {
        float d = Half(block, 0);
        for (int j = 0; j < 16; j++)
        {
            y[j] = d * Levels[block[2 + j] & 15];
            y[j + 16] = d * Levels[block[2 + j] >> 4];
        }
    }

    public static void IQ4_XS(ReadOnlySpan<byte> block, Span<float> y)
    {
        float d = Half(block, 0);
        int high = BinaryPrimitives.ReadUInt16LittleEndian(block[2..]);
        ReadOnlySpan<byte> low = block.Slice(4, 4), q = block.Slice(8, 128);
        for (int group = 0; group < 8; group++)
        {
            float scale = d * ((low[group / 2] >> group % 2 * 4 & 15 | (high >> group * 2 & 3) << 4) - 32);
            for (int j = 0; j < 16; j++)
            {
                y[group * 32 + j] = scale * Levels[q[group * 16 + j] & 15];
                y[group * 32 + j + 16] = scale * Levels[q[group * 16 + j] >> 4];
            }
        }
    }

    private static float Half(ReadOnlySpan<byte> block, int at) => (float)BinaryPrimitives.ReadHalfLittleEndian(block[at..]);

    private static int FifthBit(uint bits, int index) => (int)(bits >> index & 1) << 4;

    // Eight scales and eight minima of six bits in twelve bytes.
    private static (int Scale, int Min) ScaleAndMin(ReadOnlySpan<byte> s, int group) => group < 4
        ? (s[group] & 63, s[group + 4] & 63)
        : (s[group + 4] & 15 | s[group - 4] >> 6 << 4, s[group + 4] >> 4 | s[group] >> 6 << 4);
}
