using System.Text.Json;
using TorchSharp;

namespace TurboDiffusion.Checkpoints;

/// <summary>
/// A checkpoint whose 8-bit weights have scales, shown in float32: <c>weight</c> times its scale, made when it is read. The scales
/// and what else describes the numbers are left out.
/// </summary>
/// <remarks>
/// Layouts: ComfyUI's <c>scaled_fp8</c> with <c>scale_weight</c>, and its newer <c>comfy_quant</c> with <c>weight_scale</c> (comfy/ops.py);
/// musubi-tuner's scales of rows and of blocks of 64 (modules/fp8_optimization_utils.py); LightX2V's of rows, for 8-bit floats and int8.
/// </remarks>
internal sealed class ScaledCheckpoint : CheckpointView
{
    private const string FormatTensor = ".comfy_quant", FormatMetadata = "_quantization_metadata", Marker = "scaled_fp8";
    private const int LongestFormat = 4096;

    private static readonly string[] Scales = [".scale_weight", ".weight_scale"];

    // Scales of the activations: ours are measured as they come.
    private static readonly string[] Dropped = [FormatTensor, ".scale_input", ".input_scale"];

    // What other formats need beside a scale.
    private static readonly (string Suffix, string Format)[] Foreign =
        [(".weight_scale_2", "nvfp4"), (".pre_quant_scale", "a format with scaled inputs (AWQ)")];

    private static readonly string[] Supported = ["float8_e4m3fn", "float8_e5m2", "int8_tensorwise", "int8_blockwise"];

    // The scale of each weight.
    private readonly Dictionary<string, string> _scales = [];

    private ScaledCheckpoint(ICheckpoint inner)
        : base(inner)
    {
        CheckFormats();
        foreach (TensorInfo scale in inner.Tensors.Values)
        {
            if (Scales.FirstOrDefault(s => scale.Name.EndsWith(s, StringComparison.Ordinal)) is not { } suffix) continue;
            string name = scale.Name[..^suffix.Length] + ".weight";
            if (!inner.Tensors.TryGetValue(name, out TensorInfo? weight))
                throw Bad($"has a scale {Quoted.Name(scale.Name)} and no {Quoted.Name(name)}");
            if (weight.Encoding is null && weight.Dtype != torch.ScalarType.Int8 && !TensorInfo.IsFloat(weight.Dtype))
                throw Bad($"has {Quoted.Name(name)} as {weight}, packed in a format that is not supported. Use the fp8, bf16 or fp16 file "
                    + "of this model");
            if (Expansion(weight.Shape, scale.Shape) is null || !TensorInfo.IsFloat(scale.Dtype))
                throw Bad($"has {Quoted.Name(scale.Name)} as {scale}, which does not scale {Quoted.Name(name)} of {weight}");
            if (!_scales.TryAdd(name, scale.Name)) throw Bad($"has two scales of {Quoted.Name(name)}");
        }
        HashSet<string> left = [.. _scales.Values];
        Tensors = ByName(inner.Tensors.Values
            .Where(t => !left.Contains(t.Name) && !IsDropped(t.Name))
            .Select(t => _scales.ContainsKey(t.Name) ? new TensorInfo(t.Name, torch.ScalarType.Float32, t.Shape) : t));
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>The view of a checkpoint, or the checkpoint itself where nothing in it is scaled.</summary>
    /// <param name="checkpoint">A checkpoint with the file's own names; a view owns it.</param>
    /// <exception cref="CheckpointException">Its weights are in a format that is not supported, or a scale does not fit.</exception>
    public static ICheckpoint Of(ICheckpoint checkpoint) =>
        checkpoint.Metadata.ContainsKey(FormatMetadata)
        || checkpoint.Tensors.Keys.Any(name => IsDropped(name) || Scales.Any(s => name.EndsWith(s, StringComparison.Ordinal))
            || Foreign.Any(f => name.EndsWith(f.Suffix, StringComparison.Ordinal)))
            ? new ScaledCheckpoint(checkpoint)
            : checkpoint;

    /// <inheritdoc/>
    public override torch.Tensor Read(string name)
    {
        if (!_scales.TryGetValue(name, out string? scaleName)) return Inner.Read(name);
        using var scope = torch.NewDisposeScope();
        torch.Tensor weight = Inner.Read(name).to_type(torch.ScalarType.Float32),
            scale = Inner.Read(scaleName).to_type(torch.ScalarType.Float32);
        (long[] blocks, long[] broadcast) = Expansion(weight.shape, scale.shape)!.Value;
        // In place: a weight of 14B takes 283 MB. A last block may be a part of one.
        if (blocks is [var rows, var columns])
            weight.mul_(scale.reshape(broadcast).repeat_interleave(rows, 0).narrow(0, 0, weight.size(0))
                .repeat_interleave(columns, 1).narrow(1, 0, weight.size(1)));
        else
            weight.view(blocks).mul_(scale.reshape(broadcast));
        return weight.MoveToOuterDisposeScope();
    }

    // How a scale spreads over a weight: the shape to see the weight in and that of the scale, or, in two dimensions, the rows and
    // columns of a block and the shape of the scale. Null where it does not fit.
    private static (long[] Blocks, long[] Broadcast)? Expansion(IReadOnlyList<long> weight, IReadOnlyList<long> scale)
    {
        const int Block = 128;
        long count = scale.Aggregate(1L, (n, d) => n * d);
        if (weight.Any(d => d == 0) || count == 0) return null;
        if (count == 1) return ([.. weight, 1], [1]);
        if (weight is not [var rows, var columns]) return null;
        return scale switch
        {
            [var r] when r == rows => ([rows, columns, 1], [rows, 1, 1]),
            [var r, 1] when r == rows => ([rows, columns, 1], [rows, 1, 1]),
            [var r, var b, 1] when r == rows && columns % b == 0 => ([rows, b, columns / b], [rows, b, 1]),
            [var r, var c] when r == (rows + Block - 1) / Block && c == (columns + Block - 1) / Block => ([Block, Block], [r, c]),
            [var r, var b] when r == rows && columns % b == 0 => ([rows, b, columns / b], [rows, b, 1]),
            _ => null,
        };
    }

    private static bool IsDropped(string name) =>
        name == Marker || name.EndsWith("." + Marker, StringComparison.Ordinal)
            || Dropped.Any(d => name.EndsWith(d, StringComparison.Ordinal));

    private void CheckFormats()
    {
        foreach ((string suffix, string format) in Foreign)
            if (Inner.Tensors.Keys.FirstOrDefault(n => n.EndsWith(suffix, StringComparison.Ordinal)) is { } name)
                throw Unsupported(name, format);
        foreach (TensorInfo info in Inner.Tensors.Values.Where(t => t.Name.EndsWith(FormatTensor, StringComparison.Ordinal)))
        {
            if (info.Dtype != torch.ScalarType.Byte || info.ElementCount > LongestFormat)
                throw Bad($"has {Quoted.Name(info.Name)} as {info}; it is a short text");
            using torch.Tensor text = Inner.Read(info.Name);
            CheckFormat(info.Name, text.data<byte>().ToArray());
        }
        if (!Inner.Metadata.TryGetValue(FormatMetadata, out string? json)) return;
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            if (document.RootElement is { ValueKind: JsonValueKind.Object } root && root.TryGetProperty("layers", out JsonElement layers)
                && layers.ValueKind == JsonValueKind.Object)
                foreach (JsonProperty layer in layers.EnumerateObject()) CheckFormat(layer.Name, layer.Value);
        }
        catch (JsonException e)
        {
            throw new CheckpointException(Path, $"has metadata '{FormatMetadata}' that is not JSON.", e);
        }
    }

    private void CheckFormat(string layer, byte[] json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            CheckFormat(layer, document.RootElement);
        }
        catch (JsonException e)
        {
            throw new CheckpointException(Path, $"describes {Quoted.Name(layer)} with text that is not JSON.", e);
        }
    }

    private void CheckFormat(string layer, JsonElement description)
    {
        string? format = description.ValueKind == JsonValueKind.Object && description.TryGetProperty("format", out JsonElement value)
            && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        if (format is null || !Supported.Contains(format)) throw Unsupported(layer, format ?? "an unnamed format");
    }

    private CheckpointException Unsupported(string layer, string format) =>
        Bad($"holds {Quoted.Name(layer)} in {Quoted.Name(format)}, which is not supported. Use the fp8, bf16 or fp16 file of this model");

    private CheckpointException Bad(string reason) => new(Path, $"{reason}.");
}
