using System.Globalization;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Tests.Operators.Linear;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators;

/// <summary>
/// Prints the time of every kernel at the sizes of the 1.3B model, 480p, 81 frames, with its share of the ceiling, beside
/// torch's bfloat16 product of the same size and a copy.
/// </summary>
[Trait("Category", "Gpu")]
public class KernelTimings
{
    private const long Tokens = 32760, Dim = 1536, Ffn = 8960;

    // Bare wgmma loops on an H100, notes of 2026-10; a device-to-device copy on an H200.
    private const double Int8Ceiling = 1962e12, BandwidthCeiling = 4.3e12;

    private readonly Device _device = KernelConformance.RequireGpu();

    /// <summary>What every GPU runs beside what this one runs.</summary>
    [Theory]
    [InlineData(Tokens, Dim)]
    [InlineData(75600, 5120)]
    public void Quantization_after_normalisation(long tokens, long dim)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Tensor input = Wide(1, tokens, dim), modulated = randn([1, 1, dim], device: _device);
        foreach (KernelForm form in new[] { KernelForm.Portable, Form(tokens, dim) }.Distinct())
            Bandwidth($"LayerNorm, modulate, quantize [{tokens}, {dim}], {form}", 3.0 * tokens * dim,
                () => Free(BlockInt8QuantizeKernel.Run(input, Norm.Modulated(modulated, modulated, 1e-6), form)));
    }

    [Fact]
    public void Memory_bound_kernels()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Tensor x = Wide(1, Tokens, Dim), flat = x.flatten(0, 1), modulation = randn([1, 1, Dim], device: _device), y = empty_like(x);
        double bytes = 2 * Tokens * Dim;
        Bandwidth("copy, bf16", 2 * bytes, () => _ = y.copy_(x));
        Bandwidth("quantize", 1.5 * bytes, () => Free(BlockInt8QuantizeKernel.Run(flat)));
        Bandwidth("LayerNorm, modulate, quantize", 1.5 * bytes,
            () => Free(BlockInt8QuantizeKernel.Run(x, Norm.Modulated(modulation, modulation, 1e-6), Form(Tokens, Dim))));
        Tensor wide = Wide(1, Tokens, 5120), wideModulation = randn([1, 1, 5120], device: _device);
        Bandwidth("LayerNorm, modulate, quantize [32760, 5120]", 1.5 * bytes / Dim * 5120,
            () => Free(BlockInt8QuantizeKernel.Run(wide, Norm.Modulated(wideModulation, wideModulation, 1e-6), Form(Tokens, 5120))));
        using RotaryEmbedding rotary = RotaryEmbedding.Create(128, 21, 30, 52, _device);
        Tensor k = Wide(1, Tokens, Dim), weight = ones(Dim, ScalarType.BFloat16, _device);
        Bandwidth("RMS norm and RoPE of q and k", 4 * bytes,
            () => Free(RmsNormRotaryKernel.Run(x, k, weight, weight, rotary.Cosines, rotary.Sines, 128, 1e-6)));
        Bandwidth("quantize [32760, 8960]", 1.5 * bytes / Dim * Ffn, () => Free(BlockInt8QuantizeKernel.Run(Wide(Tokens, Ffn))),
            subtract: () => Wide(Tokens, Ffn).Dispose());
    }

    /// <summary>
    /// The linear layers of a block: of the 1.3B model (q, k or v; the three as one; the two of the FFN) and of the 14B model.
    /// </summary>
    [Theory]
    [InlineData(Dim, Dim, nameof(Int8MatmulKernel.Epilogue.Bias))]
    [InlineData(3 * Dim, Dim, nameof(Int8MatmulKernel.Epilogue.Bias))]
    [InlineData(Dim, Dim, nameof(Int8MatmulKernel.Epilogue.GatedResidual))]
    [InlineData(Ffn, Dim, nameof(Int8MatmulKernel.Epilogue.GeluQuantize))]
    [InlineData(Dim, Ffn, nameof(Int8MatmulKernel.Epilogue.GatedResidual))]
    [InlineData(5120, 5120, nameof(Int8MatmulKernel.Epilogue.Bias))]
    [InlineData(13824, 5120, nameof(Int8MatmulKernel.Epilogue.GeluQuantize))]
    [InlineData(5120, 13824, nameof(Int8MatmulKernel.Epilogue.GatedResidual))]
    public void Matrix_products(long n, long k, string epilogue)
    {
        var kind = Enum.Parse<Int8MatmulKernel.Epilogue>(epilogue);
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Tensor a = Wide(Tokens, k), b = Wide(n, k), bias = Wide(n);
        (Tensor, Tensor) qa = BlockInt8QuantizeKernel.Run(a), qb = BlockInt8QuantizeKernel.Run(b);
        Tensor residual = Wide(1, Tokens, n), gate = randn([1, 1, n], device: _device);
        double operations = 2.0 * Tokens * n * k;
        Rate($"torch bf16 {Tokens}×{n}×{k}", operations, () => nn.functional.linear(a, b, bias).Dispose());
        Run("portable", KernelForm.Portable, null);
        if (KernelMachine.Best(0).Form != KernelForm.Sm90) return;
        foreach (int cluster in new[] { 1, 2 }) Run($"sm90, cluster {cluster}", KernelForm.Sm90, cluster);

        void Run(string source, KernelForm form, int? cluster) =>
            Rate($"{kind} {Tokens}×{n}×{k} {source}", operations, () =>
        {
            switch (kind)
            {
                case Int8MatmulKernel.Epilogue.Bias:
                    Int8MatmulKernel.Multiply(qa, qb, bias, ScalarType.BFloat16, form, cluster).Dispose();
                    break;
                case Int8MatmulKernel.Epilogue.GeluQuantize:
                    Free(Int8MatmulKernel.MultiplyGelu(qa, qb, bias, ScalarType.BFloat16, form, cluster));
                    break;
                default:
                    Int8MatmulKernel.MultiplyAdd(qa, qb, bias, residual, gate, form, cluster).Dispose();
                    break;
            }
        });
    }

    // What this GPU runs.
    private static KernelForm Form(long tokens, long dim) =>
        BlockInt8QuantizeKernel.Choose(KernelMachine.Best(0), new(tokens, dim, ScalarType.BFloat16, true)).Form;

    private Tensor Wide(params long[] shape) => randn(shape, ScalarType.BFloat16, _device);

    private void Bandwidth(string what, double bytes, Action action, Action? subtract = null)
    {
        double ms = CudaTimer.Median(_device, action) - (subtract is null ? 0 : CudaTimer.Median(_device, subtract));
        Print(what, ms, $"{bytes / ms / 1e9:0.00} TB/s", bytes / ms * 1e3 / BandwidthCeiling);
    }

    private void Rate(string what, double operations, Action action, int warmUp = 3, int repeats = 11)
    {
        double ms = CudaTimer.Median(_device, action, warmUp, repeats);
        Print(what, ms, $"{operations / ms / 1e9:0} TOPS", operations / ms * 1e3 / Int8Ceiling);
    }

    private static void Print(string what, double ms, string rate, double share) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"TIME {what,-70} {ms,8:0.000} ms  {rate,10}  {share,5:P0} of the ceiling"));

    private static void Free((Tensor A, Tensor B) pair)
    {
        pair.A.Dispose();
        pair.B.Dispose();
    }
}
