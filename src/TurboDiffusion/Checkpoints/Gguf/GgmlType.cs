using System.Buffers.Binary;
using TorchSharp;

namespace TurboDiffusion.Checkpoints.Gguf;

/// <summary>Turns whole blocks of a type into float32 values.</summary>
/// <param name="blocks">The stored blocks.</param>
/// <param name="values">As many values as they hold.</param>
internal delegate void BlockDecoder(ReadOnlySpan<byte> blocks, Span<float> values);

/// <summary>An element type of GGUF files: plain numbers, or blocks of quantized ones, which are read as float32.</summary>
/// <remarks>Upstream: ggml-org/llama.cpp, <c>ggml/src/ggml-common.h</c> (layouts), <c>ggml-quants.c</c> (values).</remarks>
/// <param name="Id">The number in files.</param>
/// <param name="Name">Its name.</param>
/// <param name="BlockBytes">Bytes of a block.</param>
/// <param name="BlockSize">Values of a block.</param>
/// <param name="Dtype">What it is read as.</param>
/// <param name="Decode">Null for plain numbers.</param>
internal sealed record GgmlType(uint Id, string Name, int BlockBytes, int BlockSize, torch.ScalarType Dtype, BlockDecoder? Decode)
{
    private static readonly GgmlType[] All =
    [
        Plain(0, "F32", 4, torch.ScalarType.Float32),
        Plain(1, "F16", 2, torch.ScalarType.Float16),
        Plain(24, "I8", 1, torch.ScalarType.Int8),
        Plain(25, "I16", 2, torch.ScalarType.Int16),
        Plain(26, "I32", 4, torch.ScalarType.Int32),
        Plain(27, "I64", 8, torch.ScalarType.Int64),
        Plain(28, "F64", 8, torch.ScalarType.Float64),
        Plain(30, "BF16", 2, torch.ScalarType.BFloat16),
        Blocks(2, "Q4_0", 18, 32, GgmlBlocks.Q4_0),
        Blocks(3, "Q4_1", 20, 32, GgmlBlocks.Q4_1),
        Blocks(6, "Q5_0", 22, 32, GgmlBlocks.Q5_0),
        Blocks(7, "Q5_1", 24, 32, GgmlBlocks.Q5_1),
        Blocks(8, "Q8_0", 34, 32, GgmlBlocks.Q8_0),
        Blocks(10, "Q2_K", 84, 256, GgmlBlocks.Q2_K),
        Blocks(11, "Q3_K", 110, 256, GgmlBlocks.Q3_K),
        Blocks(12, "Q4_K", 144, 256, GgmlBlocks.Q4_K),
        Blocks(13, "Q5_K", 176, 256, GgmlBlocks.Q5_K),
        Blocks(14, "Q6_K", 210, 256, GgmlBlocks.Q6_K),
        Blocks(20, "IQ4_NL", 18, 32, GgmlBlocks.IQ4_NL),
        Blocks(23, "IQ4_XS", 136, 256, GgmlBlocks.IQ4_XS),
    ];

    /// <summary>The types that are read.</summary>
    public static string Supported => string.Join(", ", All.Select(t => t.Name));

    public static GgmlType? Find(uint id) => All.FirstOrDefault(t => t.Id == id);

    private static GgmlType Plain(uint id, string name, int bytes, torch.ScalarType dtype) => new(id, name, bytes, 1, dtype, null);

    private static GgmlType Blocks(uint id, string name, int bytes, int size, Action<ReadOnlySpan<byte>, Span<float>> decode) =>
        new(id, name, bytes, size, torch.ScalarType.Float32, (blocks, values) =>
        {
            for (; !blocks.IsEmpty; blocks = blocks[bytes..], values = values[size..]) decode(blocks[..bytes], values[..size]);
        });
}
