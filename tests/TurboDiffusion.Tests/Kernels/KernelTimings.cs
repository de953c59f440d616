using System.Globalization;
using TurboDiffusion.Kernels;
using TurboDiffusion.Kernels.Cuda;
using TurboDiffusion.Models.Wan;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Kernels;

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

    [Fact]
    public void Memory_bound_kernels()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Tensor x = Wide(1, Tokens, Dim), flat = x.flatten(0, 1), modulation = randn([1, 1, Dim], device: _device), y = empty_like(x);
        double bytes = 2 * Tokens * Dim;
        Bandwidth("copy, bf16", 2 * bytes, () => _ = y.copy_(x));
        Bandwidth("quantize", 1.5 * bytes, () => Free(BlockInt8QuantizeKernel.Run(flat)));
        Bandwidth("LayerNorm, modulate, quantize", 1.5 * bytes, () => Free(BlockInt8QuantizeKernel.Run(x, modulation, modulation, 1, 1e-6)));
        using RotaryEmbedding rotary = RotaryEmbedding.Create(128, 21, 30, 52, _device);
        Tensor k = Wide(1, Tokens, Dim), weight = ones(Dim, ScalarType.BFloat16, _device);
        Bandwidth("RMS norm and RoPE of q and k", 4 * bytes, () => Free(RmsNormRotaryKernel.Run(x, k, weight, weight, rotary.Cosines, rotary.Sines, 128, 1e-6)));
        Bandwidth("quantize [32760, 8960]", 1.5 * bytes / Dim * Ffn, () => Free(BlockInt8QuantizeKernel.Run(Wide(Tokens, Ffn))), subtract: () => Wide(Tokens, Ffn).Dispose());
    }

    [Theory]
    [InlineData(Dim, Dim)]
    [InlineData(3 * Dim, Dim)]
    [InlineData(Ffn, Dim)]
    [InlineData(Dim, Ffn)]
    [InlineData(5120, 5120)]
    public void Matrix_products(long n, long k)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        Tensor a = Wide(Tokens, k), b = Wide(n, k), bias = Wide(n);
        (Tensor, Tensor) qa = BlockInt8QuantizeKernel.Run(a), qb = BlockInt8QuantizeKernel.Run(b);
        Tensor residual = Wide(1, Tokens, n), gate = randn([1, 1, n], device: _device);
        string size = $"32760×{n}×{k}";
        double operations = 2.0 * Tokens * n * k;
        Rate($"torch bf16 {size}", operations, () => nn.functional.linear(a, b, bias).Dispose());
        foreach (Int8MatmulKernel.Variant variant in Enum.GetValues<Int8MatmulKernel.Variant>().Where(v => v <= Int8MatmulKernel.Preferred(_device)))
        {
            Rate($"{variant} int8, bias {size}", operations, () => Int8MatmulKernel.Multiply(qa, qb, bias, ScalarType.BFloat16, variant).Dispose());
            Rate($"{variant} int8, GELU, quantize {size}", operations, () => Free(Int8MatmulKernel.MultiplyGelu(qa, qb, bias, variant)));
            Rate($"{variant} int8, gate, residual {size}", operations, () => Int8MatmulKernel.MultiplyAddGated(qa, qb, bias, residual, gate, variant).Dispose());
        }
    }

    private Tensor Wide(params long[] shape) => randn(shape, ScalarType.BFloat16, _device);

    private void Bandwidth(string what, double bytes, Action action, Action? subtract = null)
    {
        double ms = CudaTimer.Median(_device, action) - (subtract is null ? 0 : CudaTimer.Median(_device, subtract));
        Print(what, ms, $"{bytes / ms / 1e9:0.00} TB/s", bytes / ms * 1e3 / BandwidthCeiling);
    }

    private void Rate(string what, double operations, Action action)
    {
        double ms = CudaTimer.Median(_device, action);
        Print(what, ms, $"{operations / ms / 1e9:0} TOPS", operations / ms * 1e3 / Int8Ceiling);
    }

    private static void Print(string what, double ms, string rate, double share) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"TIME {what,-50} {ms,8:0.000} ms  {rate,10}  {share,5:P0} of the ceiling"));

    private static void Free((Tensor A, Tensor B) pair)
    {
        pair.A.Dispose();
        pair.B.Dispose();
    }
}
