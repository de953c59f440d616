using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Linear;

/// <summary>
/// Matrix products in the published W8A8 format, with what follows them: sum[i, j] = Σ over blocks of K of int32 sums ·
/// (activation scale · weight scale). Each is a CUDA kernel or its plain form, which multiplies the dequantized matrices in
/// float32: the same sum up to the order of float32 rounding.
/// </summary>
internal static class Int8Matmul
{
    /// <summary>a·bᵀ + bias.</summary>
    /// <param name="a">Activations, int8 <c>[M, K]</c> and their scales.</param>
    /// <param name="b">Weights, int8 <c>[N, K]</c> and their scales.</param>
    /// <param name="bias"><c>[N]</c>, or null.</param>
    /// <param name="dtype">The output's.</param>
    /// <returns><c>[M, N]</c></returns>
    public static Tensor Multiply((Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, ScalarType dtype) =>
        Takes(a.Values, b.Values, bias, dtype, Int8MatmulKernel.Epilogue.Bias)
            ? Int8MatmulKernel.Multiply(a, b, bias, dtype)
            : MultiplyPlain(a, b, bias, dtype);

    /// <summary>GELU(a·bᵀ + bias), tanh form, quantized for the next product.</summary>
    /// <param name="a">Activations, int8 <c>[M, K]</c> and their scales.</param>
    /// <param name="b">Weights, int8 <c>[N, K]</c> and their scales.</param>
    /// <param name="bias"><c>[N]</c></param>
    /// <returns>int8 <c>[M, N]</c> and its scales.</returns>
    public static (Tensor Values, Tensor Scales) MultiplyGelu((Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor bias) =>
        Takes(a.Values, b.Values, bias, bias.dtype, Int8MatmulKernel.Epilogue.GeluQuantize)
            ? Int8MatmulKernel.MultiplyGelu(a, b, bias)
            : MultiplyGeluPlain(a, b, bias);

    /// <summary>residual + gate · (a·bᵀ + bias), rounded once.</summary>
    /// <param name="a">Activations, int8 <c>[B·L, K]</c> and their scales.</param>
    /// <param name="b">Weights, int8 <c>[N, K]</c> and their scales.</param>
    /// <param name="bias"><c>[N]</c>, or null.</param>
    /// <param name="residual"><c>[B, L, N]</c></param>
    /// <param name="gate">Float32 <c>[B, 1, N]</c>, or null for 1.</param>
    /// <returns><c>[B, L, N]</c> in the residual's dtype.</returns>
    public static Tensor MultiplyAddGated((Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, Tensor residual, Tensor? gate) =>
        Takes(a.Values, b.Values, bias, residual.dtype, Int8MatmulKernel.Epilogue.GatedResidual)
            ? Int8MatmulKernel.MultiplyAddGated(a, b, bias, residual, gate)
            : MultiplyAddGatedPlain(a, b, bias, residual, gate);

    /// <summary>The plain form of <see cref="Multiply"/>.</summary>
    public static Tensor MultiplyPlain((Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        Tensor output = BlockInt8.Dequantize(a.Values, a.Scales).matmul(BlockInt8.Dequantize(b.Values, b.Scales).t());
        if (bias is not null) output += bias.to_type(ScalarType.Float32);
        return output.to_type(dtype).MoveToOuterDisposeScope();
    }

    /// <summary>The plain form of <see cref="MultiplyGelu"/>.</summary>
    public static (Tensor Values, Tensor Scales) MultiplyGeluPlain((Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor bias)
    {
        using var scope = NewDisposeScope();
        (Tensor values, Tensor scales) = BlockInt8.QuantizePlain(Gelu.Tanh(MultiplyPlain(a, b, bias, ScalarType.Float32)));
        return (values.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope());
    }

    /// <summary>The plain form of <see cref="MultiplyAddGated"/>.</summary>
    public static Tensor MultiplyAddGatedPlain((Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, Tensor residual, Tensor? gate)
    {
        using var scope = NewDisposeScope();
        Tensor output = MultiplyPlain(a, b, bias, ScalarType.Float32).reshape(residual.shape);
        return (residual + (gate is null ? output : output * gate)).to_type(residual.dtype).MoveToOuterDisposeScope();
    }

    private static bool Takes(Tensor a, Tensor b, Tensor? bias, ScalarType dtype, Int8MatmulKernel.Epilogue epilogue) =>
        KernelPaths.Takes(KernelOperator.Int8Matmul, a) && (bias is null || bias.dtype == dtype)
        && new Int8MatmulKernel.Problem(a.shape[0], b.shape[0], a.shape[1], dtype, epilogue).IsSupported;
}
