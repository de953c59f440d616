using System.Text.RegularExpressions;

namespace TurboDiffusion.Models.Wan;

/// <summary>Which tensors of a Wan checkpoint are linear layers of the blocks, and what they are called in each format.</summary>
internal static partial class Int8Names
{
    public const string Weight = "weight";
    public const string Int8Weight = "int8_weight";
    public const string Scale = "scale";

    /// <summary>
    /// The layer that a weight, int8 weight or scale belongs to (<c>blocks.3.ffn.0</c>), or null for any other tensor. The
    /// same layers that <see cref="Models.Wan.WanBlock"/> makes in the weight format; everything else stays in float.
    /// </summary>
    public static string? Layer(string name, string suffix) =>
        name.EndsWith('.' + suffix, StringComparison.Ordinal) && BlockLinear().IsMatch(name[..^(suffix.Length + 1)])
            ? name[..^(suffix.Length + 1)]
            : null;

    [GeneratedRegex(@"^blocks\.[0-9]+\.(self_attn\.[qkvo]|cross_attn\.([qkvo]|[kv]_img)|ffn\.[02])$", RegexOptions.CultureInvariant)]
    private static partial Regex BlockLinear();
}
