using TurboDiffusion.Runtime;

namespace TurboDiffusion.Operators.Linear;

/// <summary>The number format of the linear layers of the transformer blocks.</summary>
public enum WeightFormat
{
    /// <summary>Float weights in the model's dtype.</summary>
    Float,

    /// <summary>W8A8 in 128×128 blocks.</summary>
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
}
