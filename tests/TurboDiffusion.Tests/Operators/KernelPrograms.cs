using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Convolution;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators;

/// <summary>Every kernel with the constants that the models give it.</summary>
internal static class KernelPrograms
{
    public static IEnumerable<KernelProgram> All => PerType.Concat(
        from blocks in new[] { (64, 64), (64, 128), (128, 64), (128, 128) }
        select SageSparseAttentionKernel.Configure(new(1, 1, 128, blocks.Item1, blocks.Item2, ScalarType.BFloat16)).Program).Concat(
        from block in new[] { 64, 128 }
        from normalize in new[] { false, true }
        from element in new[] { ScalarType.Int8, ScalarType.BFloat16 }
        from program in (KernelProgram[])
        [
            .. from heads in new[] { 1, 12, 40 }
               from features in new[] { false, true }
               select SageQueriesKernel.Configure(new(1, 1, heads), block, normalize, element, features).Program,
            SageKeysKernel.Configure(new(1, 1, 1), block, normalize, false, 132, 99 << 10, element, state: false).Configuration.Program,
            SageKeysKernel.Configure(new(1, 1, 1), block, normalize, false, 132, 99 << 10, element).Configuration.Program,
            SageKeysKernel.Configure(new(1, 1, 1), block, normalize, false, 132, 227 << 10, element).Configuration.Program,
        ]
        select program).Concat(
        from columns in new[] { 136, 1536, 5120 }
        select Sm90BlockInt8QuantizeKernel.Configure(new(1, columns, ScalarType.BFloat16, true)).Program).Concat(
        from heads in new[] { 12, 40 }
        select SageStatisticsKernel.Configure(new(1, 1, heads), 132).Configuration.Program).Concat(
        from launch in Convolutions.Concat(Halving)
        from tuning in Sm90CausalConvolutionKernel.Tuning.All(launch)
        select Sm90CausalConvolutionKernel.Configure(launch, 227 << 10, 132, tuning).Program).Concat(
        [.. new[] { 24L, 96, 192, 384 }.Select(c => CausalRmsSiluKernel.Configure(new(1, 1, c, ScalarType.BFloat16)).Program),
            .. new[] { 96L, 192, 384 }.Select(c => RmsSiluKernel.Configure(new(1, 1, c, ScalarType.BFloat16)).Program),
            CausalHeadKernel.Configure(new(1, 8, 8, 96, 3, 3, 3, ScalarType.BFloat16)).Program,
            BiasResidualKernel.Configure(new(8, 8, ScalarType.BFloat16)).Program, SageStateKernel.Configure(1).Program,
            BlockTopKKernel.Configure(1, 256).Program, BlockTopKKernel.Configure(1, 591).Program,
            Sm90SlaAttentionKernel.Configure(new(1, 1, 12), 227 << 10).Program,
            Sm90Int8AttentionKernel.Configure(new(1, 1, 12), true, 227 << 10).Program,
            Sm90Int8AttentionKernel.Configure(new(1, 1, 12), false, 227 << 10).Program,
            .. from keys in new[] { 64, 78 } select Sm90CrossAttentionKernel.Configure(new(1, 1, 12), keys, 132).Program,
            .. from normalize in new[] { false, true }
               select SageKeysKernel.Configure(new(1, 1, 1), 128, normalize, false, 132, 227 << 10, state: false, int8Values: true)
                   .Configuration.Program]);

    private static IEnumerable<Sm90CausalConvolutionKernel.Launch> Convolutions =>
        from size in new[] { (96, 96, 3, 3, 1), (192, 192, 3, 3, 1), (192, 384, 3, 3, 1), (384, 384, 3, 3, 1), (192, 96, 1, 2, 4),
            (384, 192, 1, 2, 4), (256, 256, 3, 3, 1), (96, 32, 3, 3, 1), (32, 96, 3, 3, 1), (384, 768, 3, 1, 1), (192, 384, 1, 1, 1),
            (32, 96, 3, 1, 1) }
        from residual in new[] { false, true }
        where !residual || size is { Item2: > 32, Item4: 3 }
        select new Sm90CausalConvolutionKernel.Launch(
            new(1, 64, 64, size.Item1, size.Item2, size.Item3, size.Item4, ScalarType.BFloat16), size.Item5, residual);

    // Those that halve height and width, or time.
    private static IEnumerable<Sm90CausalConvolutionKernel.Launch> Halving =>
        from channels in new[] { 96, 192, 384 }
        from size in new[] { (2 * channels, 2, 2), (channels, 3, 1) }
        where size.Item2 == 2 || channels > 96
        select new Sm90CausalConvolutionKernel.Launch(
            new(1, 64, 64, size.Item1, channels, size.Item2, size.Item3, ScalarType.BFloat16), 1, false, 2);

    private static IEnumerable<KernelProgram> PerType =>
        from dtype in new[] { ScalarType.BFloat16, ScalarType.Float32 }
        from program in (KernelProgram[])
        [
            BlockInt8QuantizeKernel.Configure(new(1, 1536, dtype, false)).Program,
            BlockInt8QuantizeKernel.Configure(new(1, 1536, dtype, true)).Program,
            RmsNormRotaryKernel.Configure(new(1, 1536, 128, dtype)).Program,
            RmsNormRotaryKernel.Configure(new(1, 5120, 128, dtype)).Program,
            .. from epilogue in Enum.GetValues<Int8MatmulKernel.Epilogue>()
               let problem = new Int8MatmulKernel.Problem(256, 128, 128, dtype, epilogue)
               from matmul in new[] { 1, 2 }.Where(_ => Sm90Int8MatmulKernel.Suits(problem))
                   .Select(cluster => Sm90Int8MatmulKernel.Configure(problem, 227 << 10, 132, cluster))
                   .Append(Int8MatmulKernel.Configure(problem, 227 << 10))
               select matmul.Program,
        ]
        select program;
}
