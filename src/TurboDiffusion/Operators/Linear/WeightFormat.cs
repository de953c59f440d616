using TurboDiffusion.Runtime;

namespace TurboDiffusion.Operators.Linear;

/// <summary>The number format of the linear layers of a model's blocks.</summary>
public enum WeightFormat
{
    /// <summary>Float weights in the model's dtype.</summary>
    Float,

    /// <summary>
    /// int8: of a transformer W8A8 in 128×128 blocks; of a text encoder the weights alone, with a scale per row.
    /// </summary>
    Int8,
}

/// <summary>Makes linear layers of a format.</summary>
internal static class WeightFormatExtensions
{
    public static LinearLayer Linear(this WeightFormat format, long inFeatures, long outFeatures, Placement placement) => format switch
    {
        WeightFormat.Float => new FloatLinear(inFeatures, outFeatures, placement),
        WeightFormat.Int8 => new Int8Linear(inFeatures, outFeatures, placement),
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, "Unknown weight format."),
    };

    /// <summary>Layers without bias that round their weights alone.</summary>
    public static LinearLayer WeightsAlone(this WeightFormat format, long inFeatures, long outFeatures, Placement placement) =>
        format switch
        {
            WeightFormat.Float => new FloatLinear(inFeatures, outFeatures, placement, bias: false),
            WeightFormat.Int8 => new Int8WeightLinear(inFeatures, outFeatures, placement),
            _ => throw new ArgumentOutOfRangeException(nameof(format), format, "Unknown weight format."),
        };
}
