using System.Text.RegularExpressions;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Operators.Linear;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Int8;

/// <summary>
/// Which tensors of a model's checkpoint are layers that can be int8: in float <c>LAYER.weight</c>, in int8 <c>LAYER.int8_weight</c> with
/// <c>LAYER.scale</c>. Everything else of the checkpoint stays in float.
/// </summary>
public sealed class Int8Layers
{
    internal const string Weight = "weight";
    internal const string Int8Weight = "int8_weight";
    internal const string Scale = "scale";

    private readonly Regex _layers;

    /// <summary>Creates the rule.</summary>
    /// <param name="layers">Matches the whole name of such a layer (<c>blocks.3.ffn.0</c>), as the model's modules are named.</param>
    /// <param name="scaling">What has a scale.</param>
    internal Int8Layers(Regex layers, Int8Scaling scaling) => (_layers, Scaling) = (layers, scaling);

    /// <summary>What has a scale.</summary>
    internal Int8Scaling Scaling { get; }

    /// <summary>The number format of a checkpoint's layers, from its names alone.</summary>
    /// <param name="checkpoint">A checkpoint with the official names.</param>
    public WeightFormat FormatOf(ICheckpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        return checkpoint.Tensors.Keys.Any(name => Of(name, Int8Weight) is not null) ? WeightFormat.Int8 : WeightFormat.Float;
    }

    /// <summary>Shows a checkpoint in a number format: float weights are quantized as they are read, int8 ones dequantized.</summary>
    /// <param name="checkpoint">A checkpoint with the official names; a view owns it.</param>
    /// <param name="format">The format; a checkpoint that has it is returned itself.</param>
    /// <param name="quantizeOn">Where weights are quantized; null: where they are read. Minutes of a CPU are seconds of a GPU.</param>
    /// <exception cref="CheckpointException">The scales of int8 weights do not fit them.</exception>
    public ICheckpoint As(ICheckpoint checkpoint, WeightFormat format, Device? quantizeOn = null) =>
        (FormatOf(checkpoint), format) switch
        {
            (WeightFormat.Float, WeightFormat.Int8) => new QuantizedCheckpoint(checkpoint, this) { Device = quantizeOn },
            (WeightFormat.Int8, WeightFormat.Float) => new DequantizedCheckpoint(checkpoint, this),
            _ => checkpoint,
        };

    /// <summary>The layer that a weight, int8 weight or scale belongs to; null for any other tensor.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="part"><see cref="Weight"/>, <see cref="Int8Weight"/> or <see cref="Scale"/>.</param>
    internal string? Of(string name, string part) =>
        name.EndsWith('.' + part, StringComparison.Ordinal) && name[..^(part.Length + 1)] is var layer && _layers.IsMatch(layer)
            ? layer
            : null;
}
