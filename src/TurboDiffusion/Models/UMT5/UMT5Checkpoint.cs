using System.Text.RegularExpressions;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.Int8;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Models.UMT5;

/// <summary>An umT5 encoder from a checkpoint, in whichever weight format is asked for.</summary>
public static partial class UMT5Checkpoint
{
    /// <summary>The linear layers of the blocks: those that <see cref="UMT5Block"/> makes in the weight format.</summary>
    public static Int8Layers Int8Layers { get; } = new(BlockLinear(), Int8Scaling.Rows);

    /// <summary>Loads the encoder, whole.</summary>
    /// <param name="checkpoint">A checkpoint with the official names, in any number format; stays the caller's.</param>
    /// <param name="weights">The number format to run.</param>
    /// <param name="placement">Device and dtype.</param>
    /// <param name="progress">Told how many tensors of how many are loaded.</param>
    /// <param name="cancellationToken">Checked before each tensor.</param>
    /// <exception cref="CheckpointException">It does not hold the tensors of such an encoder.</exception>
    public static UMT5Encoder Load(
        ICheckpoint checkpoint, WeightFormat weights, Placement placement, IProgress<(int Done, int Total)>? progress = null,
        CancellationToken cancellationToken = default)
    {
        var encoder = new UMT5Encoder(UMT5Config.FromCheckpoint(checkpoint), placement, weights);
        try
        {
            StrictLoader.Load(encoder, Int8Layers.As(checkpoint, weights, placement.Device), progress, cancellationToken);
            return encoder;
        }
        catch
        {
            encoder.Dispose();
            throw;
        }
    }

    [GeneratedRegex(@"^blocks\.[0-9]+\.(attn\.[qkvo]|ffn\.(gate\.0|fc1|fc2))$", RegexOptions.CultureInvariant)]
    private static partial Regex BlockLinear();
}
