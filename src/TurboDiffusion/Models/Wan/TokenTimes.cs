using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>
/// The timesteps of a forward pass: one for each clip, or one for each token (Wan 2.2 TI2V, whose first frame is clean). Of the
/// latter, each different time is embedded once.
/// </summary>
/// <param name="Values">The times to embed, <c>[B]</c>, or the different ones, <c>[U]</c>.</param>
/// <param name="Rows">Of each token, which of <paramref name="Values"/> is its time, int64 <c>[B, L]</c>; null: one for each clip.</param>
internal readonly record struct TokenTimes(Tensor Values, Tensor? Rows)
{
    /// <summary>The times of a tensor.</summary>
    /// <param name="timesteps"><c>[B]</c> or <c>[B, L]</c>.</param>
    public static TokenTimes Of(Tensor timesteps)
    {
        if (timesteps.dim() == 1) return new TokenTimes(timesteps, null);
        (Tensor values, Tensor? rows, _) = timesteps.flatten().unique(sorted: true, return_inverse: true);
        return new TokenTimes(values, rows!.reshape(timesteps.shape));
    }

    /// <summary>A vector of each time as every token sees it.</summary>
    /// <param name="vectors"><c>[B, 1, dim]</c> or <c>[U, 1, dim]</c>.</param>
    /// <returns><c>[B, 1, dim]</c> or <c>[B, L, dim]</c>.</returns>
    public Tensor Spread(Tensor vectors) =>
        Rows is null ? vectors : vectors.squeeze(1).index_select(0, Rows.flatten()).reshape(Rows.size(0), Rows.size(1), vectors.size(2));
}
