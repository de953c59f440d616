using System.Buffers.Binary;

namespace TurboDiffusion.Checkpoints.PyTorch;

/// <summary>The CRC-32 of zip files (IEEE 802.3, reflected), eight bytes per step.</summary>
internal static class Crc32
{
    // Tables[k][b]: the effect of byte b followed by k zero bytes.
    private static readonly uint[][] Tables = MakeTables();

    /// <summary>Continues a checksum; start with 0.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        crc = ~crc;
        uint[] t0 = Tables[0], t1 = Tables[1], t2 = Tables[2], t3 = Tables[3], t4 = Tables[4], t5 = Tables[5], t6 = Tables[6], t7 = Tables[7];
        while (data.Length >= 8)
        {
            ulong word = BinaryPrimitives.ReadUInt64LittleEndian(data) ^ crc;
            crc = t7[(byte)word] ^ t6[(byte)(word >> 8)] ^ t5[(byte)(word >> 16)] ^ t4[(byte)(word >> 24)]
                ^ t3[(byte)(word >> 32)] ^ t2[(byte)(word >> 40)] ^ t1[(byte)(word >> 48)] ^ t0[(byte)(word >> 56)];
            data = data[8..];
        }
        foreach (byte b in data) crc = t0[(byte)(crc ^ b)] ^ crc >> 8;
        return ~crc;
    }

    private static uint[][] MakeTables()
    {
        var tables = new uint[8][];
        for (int k = 0; k < 8; k++)
        {
            tables[k] = new uint[256];
            for (uint b = 0; b < 256; b++)
            {
                uint crc = k == 0 ? b : tables[k - 1][b];
                for (int bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
                tables[k][b] = crc;
            }
        }
        return tables;
    }
}
