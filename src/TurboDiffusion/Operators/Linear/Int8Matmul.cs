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
    public static Tensor Multiply((Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, ScalarType dtype)
    {
        KernelChoice choice = Choose(a.Values, ProblemOf(a.Values, b.Values, dtype, Int8MatmulKernel.Epilogue.Bias));
        using var scope = NewDisposeScope();
        return (choice.IsKernel ? Int8MatmulKernel.Multiply(a, b, bias?.to_type(dtype), dtype, choice.Form)
            : MultiplyPlain(a, b, bias, dtype))
            .MoveToOuterDisposeScope();
    }

    /// <summary>GELU(a·bᵀ + bias), tanh form, quantized for the next product.</summary>
    /// <param name="a">Activations, int8 <c>[M, K]</c> and their scales.</param>
    /// <param name="b">Weights, int8 <c>[N, K]</c> and their scales.</param>
    /// <param name="bias"><c>[N]</c>, or null.</param>
    /// <param name="dtype">
    /// The model's, to which the plain form rounds before and after GELU, as the official code; the kernels do not.
    /// </param>
    /// <returns>int8 <c>[M, N]</c> and its scales.</returns>
    public static (Tensor Values, Tensor Scales) MultiplyGelu(
        (Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, ScalarType dtype)
    {
        KernelChoice choice = Choose(a.Values, ProblemOf(a.Values, b.Values, dtype, Int8MatmulKernel.Epilogue.GeluQuantize));
        using var scope = NewDisposeScope();
        (Tensor values, Tensor scales) = choice.IsKernel
            ? Int8MatmulKernel.MultiplyGelu(a, b, bias?.to_type(dtype), dtype, choice.Form)
            : MultiplyGeluPlain(a, b, bias, dtype);
        return (values.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope());
    }

    /// <summary>residual + gate · (a·bᵀ + bias).</summary>
    /// <param name="a">Activations, int8 <c>[B·L, K]</c> and their scales.</param>
    /// <param name="b">Weights, int8 <c>[N, K]</c> and their scales.</param>
    /// <param name="bias"><c>[N]</c>, or null.</param>
    /// <param name="residual"><c>[B, L, N]</c></param>
    /// <param name="gate">Float32 <c>[B, 1, N]</c>, or null for 1.</param>
    /// <returns>
    /// <c>[B, L, N]</c> in the residual's dtype; the kernels round once, the plain form after the product, too, as the official code.
    /// </returns>
    public static Tensor MultiplyAdd(
        (Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, Tensor residual, Tensor? gate)
    {
        KernelChoice choice = Choose(a.Values,
            ProblemOf(a.Values, b.Values, residual.dtype, Int8MatmulKernel.Epilogue.GatedResidual));
        using var scope = NewDisposeScope();
        return (choice.IsKernel
            ? Int8MatmulKernel.MultiplyAdd(a, b, bias?.to_type(residual.dtype), residual, gate, choice.Form)
            : MultiplyAddPlain(a, b, bias, residual, gate, residual.dtype)).MoveToOuterDisposeScope();
    }

    /// <summary>The plain form of <see cref="Multiply"/>.</summary>
    public static Tensor MultiplyPlain((Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        Tensor output = BlockInt8.Dequantize(a.Values, a.Scales).matmul(BlockInt8.Dequantize(b.Values, b.Scales).t());
        if (bias is not null) output += bias.to_type(ScalarType.Float32);
        return output.to_type(dtype).MoveToOuterDisposeScope();
    }

    /// <summary>The plain form of <see cref="MultiplyGelu"/>.</summary>
    /// <param name="a">As there.</param>
    /// <param name="b">As there.</param>
    /// <param name="bias">As there.</param>
    /// <param name="between">What is rounded to before and after GELU: float32 is what the kernels do.</param>
    public static (Tensor Values, Tensor Scales) MultiplyGeluPlain(
        (Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, ScalarType between)
    {
        using var scope = NewDisposeScope();
        (Tensor values, Tensor scales) = BlockInt8.QuantizePlain(Gelu.Tanh(MultiplyPlain(a, b, bias, between)));
        return (values.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope());
    }

    /// <summary>The plain form of <see cref="MultiplyAdd"/>.</summary>
    /// <param name="a">As there.</param>
    /// <param name="b">As there.</param>
    /// <param name="bias">As there.</param>
    /// <param name="residual">As there.</param>
    /// <param name="gate">As there.</param>
    /// <param name="between">What the product is rounded to: float32 is what the kernels do.</param>
    public static Tensor MultiplyAddPlain(
        (Tensor Values, Tensor Scales) a, (Tensor Values, Tensor Scales) b, Tensor? bias, Tensor residual, Tensor? gate, ScalarType between)
    {
        using var scope = NewDisposeScope();
        Tensor product = MultiplyPlain(a, b, bias, between).reshape(residual.shape), sum = residual.to_type(between);
        return (gate is null ? sum + product : sum.addcmul(product, gate.to_type(between), 1)).to_type(residual.dtype)
            .MoveToOuterDisposeScope();
    }

    private static Int8MatmulKernel.Problem ProblemOf(Tensor a, Tensor b, ScalarType dtype, Int8MatmulKernel.Epilogue epilogue) =>
        new(a.size(0), b.size(0), a.size(1), dtype, epilogue);

    private static KernelChoice Choose(Tensor a, Int8MatmulKernel.Problem problem) =>
        Int8MatmulKernel.Choose(KernelMachine.Offer(KernelOperator.Int8Matmul, a), problem);
}
