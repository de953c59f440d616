using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>What turns the projections of q and k into what attention takes: normalisation over the whole width, then rotation.</summary>
/// <param name="QueryWeight"><c>[H·D]</c></param>
/// <param name="KeyWeight"><c>[H·D]</c></param>
/// <param name="Cosines">Float32 <c>[1, L, 1, D/2]</c>.</param>
/// <param name="Sines">Float32 <c>[1, L, 1, D/2]</c>.</param>
/// <param name="Eps">ε of the normalisation.</param>
internal readonly record struct QueryKeyTransform(Tensor QueryWeight, Tensor KeyWeight, Tensor Cosines, Tensor Sines, double Eps);
