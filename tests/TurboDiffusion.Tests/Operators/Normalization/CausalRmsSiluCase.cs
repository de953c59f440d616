using TurboDiffusion.Operators.Normalization;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators.Normalization;

/// <summary>Random arguments of <see cref="CausalRmsSilu"/>, and what its plain form makes of them in float32.</summary>
internal sealed record CausalRmsSiluCase(Tensor X, Tensor Gamma, Tensor? Bias, Tensor? Past)
{
    public static CausalRmsSiluCase Draw(Device device, ScalarType dtype, long frames, long height, long width, long channels, bool later,
        bool biased)
    {
        Tensor Random(ulong seed, params long[] shape) => KernelConformance.Random(device, seed, dtype, shape);
        Tensor x = Random(1, frames, height, width, channels) * 3;
        // A pixel of zeros has no direction.
        x[0, 0, 0] = 0;
        return new(x, Random(2, channels).to_type(ScalarType.Float32) * Math.Sqrt(channels),
            biased ? Random(4, channels).to_type(ScalarType.Float32) : null, later ? Random(3, 2, height, width, channels) : null);
    }

    public (Tensor Windows, Tensor Past) Exact() =>
        CausalRmsSilu.RunPlain(X.to_type(ScalarType.Float32), Gamma, Bias, Past?.to_type(ScalarType.Float32));
}
