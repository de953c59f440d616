using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Tests.Operators;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Emulator;

/// <summary>The emulator notices what is wrong in a kernel: each fault ends in an error that says so, or in another result.</summary>
public class EmulatorTests
{
    // The first two: a product that reads before the copy engine has written, a copy over what is still being read.
    [Theory]
    [InlineData("mbarrier_wait(shared_address(&full[turn.stage]), turn.parity);\n                u32 operand", "u32 operand", "arrivals")]
    [InlineData("mbarrier_wait(shared_address(&empty[turn.stage]), turn.parity);", "", "arrivals of the mbarrier")]
    [InlineData("Turn turn = {0, 1};", "Turn turn = {0, 0};", "all threads wait")]
    [InlineData("Turn turn = {0, 0};", "Turn turn = {0, 1};", "arrivals of the mbarrier")]
    [InlineData("mbarrier_arrive_expect(barrier, kStageBytes);", "mbarrier_arrive_expect(barrier, kStageBytes - 128);", "all threads wait")]
    [InlineData("mbarrier_init_fence();", "", "a fence is missing")]
    [InlineData("if (lane < CLUSTER) mbarrier_arrive_at(barrier, lane);", "if (lane == 0) mbarrier_arrive(barrier);", "all threads wait")]
    [InlineData("(first_column + tiles.rank) * kTile, barrier)", "first_column * kTile, barrier)", null)]
    [InlineData("return kSwizzle128 |", "return (kSwizzle128 << 1) |", null)]
    [InlineData("wgmma_fence();\n#pragma unroll\n                for", "\n#pragma unroll\n                for", "wgmma.fence")]
    [InlineData("wgmma_wait<0>(odd);\n            release", "release", "wgmma.wait_group is missing")]
    [InlineData("wgmma_wait<1>(odd);\n                add_up", "if (block > 0) wgmma_wait<1>(odd);\n                add_up", null)]
    [InlineData("fence_async_proxy();", "", "fence.proxy.async")]
    [InlineData("if (leader) store_box_wait_read<kOutboxes - 2>();", "", null)]
    [InlineData("if (threadIdx.x % kWarpgroup == 0) store_box_wait_read<0>();", "", "the copy engine has read its boxes")]
    public void A_fault_in_the_matrix_product_is_noticed(string from, string to, string? says) =>
        Noticed(new SourceEdit(from, to), says, () =>
        {
            (Tensor, Tensor) Draw(ulong seed, long rows) =>
                BlockInt8.QuantizePlain(randn([rows, 608], generator: new Generator(seed)));
            (Tensor, Tensor) a = Draw(1, 600), b = Draw(2, 520);
            Comparison.RelativeL2(Int8Matmul.MultiplyPlain(a, b, null, ScalarType.Float32),
                Int8MatmulKernel.Multiply(a, b, null, ScalarType.BFloat16, KernelForm.Sm90), 3e-3, "product");
        });

    [Theory]
    [InlineData("cp_async_wait<STAGES - 2>();", "")]
    [InlineData("lane % 16, step * 2 + lane / 16)", "lane % 16, step * 2 + lane / 8 % 2)")]
    public void A_fault_in_the_portable_matrix_product_is_noticed(string from, string to) => Noticed(new SourceEdit(from, to), null, () =>
    {
        (Tensor, Tensor) Draw(ulong seed) => BlockInt8.QuantizePlain(randn([128, 512], generator: new Generator(seed)));
        (Tensor, Tensor) a = Draw(1), b = Draw(2);
        Comparison.RelativeL2(Int8Matmul.MultiplyPlain(a, b, null, ScalarType.Float32),
            Int8MatmulKernel.Multiply(a, b, null, ScalarType.BFloat16, KernelForm.Portable), 3e-3, "product");
    });

    [Theory]
    [InlineData("cluster_wait();\n    if", "if", "without waiting")]
    [InlineData("    }\n    cluster_wait();\n}", "    }\n}", "has ended")]
    [InlineData("parts[other] = load_from(other, moments + threadIdx.x);", "parts[other] = moments[threadIdx.x];", null)]
    public void A_fault_in_a_cluster_is_noticed(string from, string to, string? says) => Noticed(new SourceEdit(from, to), says, () =>
    {
        Tensor x = randn([2, 100, 1000], ScalarType.BFloat16, generator: new Generator(1)) + 3;
        var norm = Norm.Modulated(zeros(2, 1, 1000), ones(2, 1, 1000), 1e-6);
        KernelConformance.Quantized(BlockInt8.QuantizePlain(x, norm, ScalarType.Float32),
            BlockInt8QuantizeKernel.Run(x, norm, KernelForm.Sm90), "quantized", scaleTolerance: 1e-4);
    });

    [Theory]
    [InlineData("mbarrier_wait(keys_empty, (changes & 1) ^ 1);", "", null)]
    [InlineData("if (held >= 0 && lane == 0) mbarrier_arrive(keys_empty);", "", "all threads wait")]
    [InlineData("turn / QUERIES & 1);\n        u8*", "0);\n        u8*", "arrivals of the mbarrier")]
    public void A_fault_in_cross_attention_is_noticed(string from, string to, string? says) => Noticed(new SourceEdit(from, to), says, () =>
    {
        Tensor Draw(ulong seed, long rows) => randn([1, rows, 8, 128], ScalarType.BFloat16, generator: new Generator(seed));
        Tensor q = Draw(1, 500), k = Draw(2, 70), v = Draw(3, 70);
        Comparison.RelativeL2(DenseAttention.Attend(q, k, v), Sm90CrossAttentionKernel.Run(q, k, v, 70), 1e-2, "output");
    });

    // says null: the result differs.
    private static void Noticed(SourceEdit edit, string? says, Action run)
    {
        Assert.SkipUnless(HostCompiler.IsPresent, "there is no g++ on the PATH, which the emulator compiles the kernels with");
        using var scope = NewDisposeScope();
        using IDisposable substitute = KernelDevice.Substitute(new EmulatedGpu(edit));
        Exception error = Assert.ThrowsAny<Exception>(run);
        Assert.True(error is EmulatedKernelException == says is not null
            && error.Message.Contains(says ?? "expected", StringComparison.Ordinal), error.Message);
    }
}
