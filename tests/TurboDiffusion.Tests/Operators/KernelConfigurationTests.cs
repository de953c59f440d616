using TurboDiffusion.Models;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Convolution;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Operators;

public class KernelConfigurationTests
{
    private const int HopperShared = 227 << 10, AdaShared = 99 << 10;

    [Fact]
    public void Quantization_takes_a_thread_block_per_128_rows()
    {
        KernelConfiguration c = BlockInt8QuantizeKernel.Configure(new(32760, 1536, ScalarType.BFloat16, Normalises: true));
        Assert.Equal(new KernelProgram("block_int8_quantize", ("ELEMENT", "bf16"), ("NORMALISE", 1)), c.Program);
        Assert.Equal(new KernelLaunch(256, 1, 512, 0), c.Launch);
    }

    [Theory]
    [InlineData(1536, 4, 3)]
    [InlineData(5120, 8, 5)]
    [InlineData(8, 1, 1)]
    [InlineData(6144, 8, 6)]
    public void On_hopper_a_cluster_holds_the_rows_that_are_normalised(long columns, int cluster, int blocks)
    {
        var problem = new BlockInt8QuantizeKernel.Problem(32760, columns, ScalarType.BFloat16, Normalises: true);
        Assert.True(Sm90BlockInt8QuantizeKernel.Suits(problem));
        KernelConfiguration c = Sm90BlockInt8QuantizeKernel.Configure(problem);
        Assert.Equal(new KernelProgram("sm90_block_int8_quantize", ("CLUSTER", cluster), ("BLOCKS", blocks)), c.Program);
        Assert.Equal(new KernelLaunch(256 * cluster, 1, 512, blocks << 15), c.Launch);
        Assert.All([problem with { Columns = 8960 }, problem with { Normalises = false }, problem with { Dtype = ScalarType.Float32 }],
            p => Assert.False(Sm90BlockInt8QuantizeKernel.Suits(p)));
    }

    [Theory]
    [InlineData(8, 32, 1)]
    [InlineData(1536, 192, 1)]
    [InlineData(2048, 256, 1)]
    [InlineData(5120, 224, 3)]
    [InlineData(16384, 256, 8)]
    public void A_token_is_shared_evenly_among_whole_warps(int width, int threads, int vectors)
    {
        KernelConfiguration c = RmsNormRotaryKernel.Configure(new(32760, width, 8, ScalarType.Float32));
        Assert.Equal(new KernelProgram("rms_norm_rotary", ("ELEMENT", "float"), ("THREADS", threads), ("VECTORS", vectors)), c.Program);
        Assert.Equal(new KernelLaunch(32760, 2, threads, 0), c.Launch);
        Assert.True(threads * vectors * 8 >= width);
    }

    [Theory]
    [InlineData(HopperShared, 4, 128 << 10)]
    [InlineData(AdaShared, 3, 96 << 10)]
    public void The_portable_matrix_product_uses_as_much_shared_memory_as_the_GPU_has(int shared, int stages, int bytes)
    {
        KernelConfiguration c = Int8MatmulKernel.Configure(Gelu(32760, 8960, 1536), shared);
        Assert.Equal(new KernelProgram("int8_matmul", ("OUTPUT", "bf16"), ("EPILOGUE", 1), ("STAGES", stages), ("GROUP", 16)), c.Program);
        Assert.Equal(new KernelLaunch(256 * 70, 1, 256, bytes), c.Launch);
    }

    [Theory]
    [InlineData(32760, 8960, 132, 2)]
    [InlineData(1, 8, 1, 1)]
    [InlineData(129, 384, 2 * 2, 2)]
    [InlineData(385, 256, 2 * 2, 2)]
    public void Hoppers_matrix_product_takes_a_thread_block_per_multiprocessor_and_whole_clusters(long m, long n, int threadBlocks,
        int cluster)
    {
        KernelConfiguration c = Sm90Int8MatmulKernel.Configure(Gelu(m, n, 1536), HopperShared, 132);
        Assert.Equal(new KernelProgram("sm90_int8_matmul", ("OUTPUT", "bf16"), ("EPILOGUE", 1), ("STAGES", 4), ("GROUP", 16),
            ("CLUSTER", cluster)),
            c.Program);
        Assert.Equal(new KernelLaunch(threadBlocks, 1, 384, (192 << 10) + (32 << 10) + (1 << 10)), c.Launch);
    }

    [Fact]
    public void Clusters_leave_a_multiprocessor_over_where_their_number_is_odd() =>
        Assert.Equal(132, Sm90Int8MatmulKernel.Configure(Gelu(32760, 8960, 1536), HopperShared, 133).Launch.GridX);

    // Two warpgroups' two boxes of 8 KB beside a ring of four stages, of 227 KB.
    [Fact]
    public void Results_leave_by_way_of_shared_memory_beside_the_ring()
    {
        KernelConfiguration c = Sm90Int8MatmulKernel.Configure(Gelu(32760, 8960, 1536), HopperShared, 132);
        Assert.Contains(("STAGES", 4), c.Program.Constants);
        Assert.Equal(225 << 10, c.Launch.SharedBytes);
    }

    [Fact]
    public void Results_that_the_copy_engine_does_not_write_take_the_portable_product()
    {
        Assert.True(Sm90Int8MatmulKernel.Suits(Gelu(32760, 8960, 1536)));
        Assert.False(Sm90Int8MatmulKernel.Suits(Gelu(32760, 1528, 1536)));
        Assert.False(Sm90Int8MatmulKernel.Suits(new(32760, 1536, 1536, ScalarType.Float32, Int8MatmulKernel.Epilogue.Bias)));
        Assert.True(Sm90Int8MatmulKernel.Suits(new(32760, 1528, 1536, ScalarType.BFloat16, Int8MatmulKernel.Epilogue.Bias)));
    }

    private static Int8MatmulKernel.Problem Gelu(long m, long n, long k) =>
        new(m, n, k, ScalarType.BFloat16, Int8MatmulKernel.Epilogue.GeluQuantize);

    private static readonly KernelChoice Hopper = new(KernelForm.Sm90, "Hopper"), Ada = new(KernelForm.Portable, "Ada");

    [Fact]
    public void Every_operator_takes_the_best_form_that_does_its_problem()
    {
        const ScalarType bf16 = ScalarType.BFloat16, f32 = ScalarType.Float32;
        Check(KernelForm.Sm90, BlockInt8QuantizeKernel.Choose(Hopper, new(1, 1536, bf16, true)));
        Check(KernelForm.Portable, BlockInt8QuantizeKernel.Choose(Ada, new(1, 1536, bf16, true)));
        Check(KernelForm.Portable, BlockInt8QuantizeKernel.Choose(Hopper, new(1, 8, bf16, false)));
        Check(KernelForm.Plain, BlockInt8QuantizeKernel.Choose(Hopper, new(1, 12, bf16, false)));
        Check(KernelForm.Plain, BlockInt8QuantizeKernel.Choose(Hopper, new(0, 8, bf16, false)));
        Check(KernelForm.Plain, BlockInt8QuantizeKernel.Choose(Hopper, new(1, 8, ScalarType.Float64, false)));
        Check(KernelForm.Portable, RmsNormRotaryKernel.Choose(Hopper, new(1, 5120, 128, bf16)));
        Check(KernelForm.Plain, RmsNormRotaryKernel.Choose(Hopper, new(1, 5120, 128, bf16, SameDtype: false)));
        Check(KernelForm.Plain, RmsNormRotaryKernel.Choose(Hopper, new(1, 5120, 12, bf16)));
        Check(KernelForm.Plain, RmsNormRotaryKernel.Choose(Hopper, new(1, 32768, 128, bf16)));
        Check(KernelForm.Plain, RmsNormRotaryKernel.Choose(Hopper, new(1, 1536, 1000, bf16)));
        Check(KernelForm.Portable, CausalRmsSiluKernel.Choose(Hopper, new(4, 480 * 832, 96, bf16)));
        Check(KernelForm.Plain, CausalRmsSiluKernel.Choose(Hopper, new(4, 480 * 832, 96, f32)));
        Check(KernelForm.Plain, CausalRmsSiluKernel.Choose(Hopper, new(4, 480 * 832, 12, bf16)));
        Check(KernelForm.Plain, CausalRmsSiluKernel.Choose(Hopper, new(4, 480 * 832, 8 * 9, bf16)));
        CausalConvolution.Problem vae = new(4, 480, 832, 96, 96, 3, 3, bf16);
        Check(KernelForm.Sm90, CausalConvolution.Choose(Hopper, vae));
        Check(KernelForm.Plain, CausalConvolution.Choose(Ada, vae));
        Assert.All([vae with { Channels = 16 }, vae with { Outputs = 3 }, vae with { Outputs = 80 },
            vae with { KernelFrames = 4 }, vae with { Kernel = 5 }, vae with { Dtype = f32 }, vae with { Frames = 9 }],
            p => Check(KernelForm.Plain, CausalConvolution.Choose(Hopper, p)));
        CausalConvolution.Problem head = vae with { Outputs = 3 };
        Check(KernelForm.Portable, CausalHeadKernel.Choose(Hopper, head));
        Check(KernelForm.Portable, CausalHeadKernel.Choose(Ada, head));
        Assert.All([head with { Channels = 48 }, head with { Channels = 256 }, head with { Outputs = 12 }, head with { KernelFrames = 1 },
            head with { Kernel = 1 }, head with { Dtype = f32 }], p => Check(KernelForm.Plain, CausalHeadKernel.Choose(Hopper, p)));
        Check(KernelForm.Portable, BiasResidualKernel.Choose(Hopper, new(4 * 480 * 832 * 96, 96, bf16)));
        Check(KernelForm.Plain, BiasResidualKernel.Choose(Hopper, new(4 * 480 * 832 * 96, 96, f32)));
        Check(KernelForm.Plain, BiasResidualKernel.Choose(Hopper, new(4 * 480 * 832 * 12, 12, bf16)));
        Check(KernelForm.Plain, BiasResidualKernel.Choose(Hopper, new(0, 96, bf16)));
        Check(KernelForm.Sm90, Int8MatmulKernel.Choose(Hopper, new(1, 8, 16, bf16, Int8MatmulKernel.Epilogue.Bias)));
        Check(KernelForm.Portable, Int8MatmulKernel.Choose(Hopper, new(1, 8, 16, f32, Int8MatmulKernel.Epilogue.Bias)));
        Check(KernelForm.Portable, Int8MatmulKernel.Choose(Ada, new(1, 8, 16, f32, Int8MatmulKernel.Epilogue.Bias)));
        Check(KernelForm.Plain, Int8MatmulKernel.Choose(Hopper, new(1, 8, 24, f32, Int8MatmulKernel.Epilogue.Bias)));
        Check(KernelForm.Plain, Int8MatmulKernel.Choose(Hopper, new(1, 12, 16, f32, Int8MatmulKernel.Epilogue.Bias)));
        Check(KernelForm.Plain, Int8MatmulKernel.Choose(Hopper, new(1, 8, 16, ScalarType.Float16, Int8MatmulKernel.Epilogue.Bias)));
        Check(KernelForm.Sm90, AttentionKernels.Choose(Hopper, new(1, 1000, 12, 128, 64, 128, bf16)));
        Check(KernelForm.Portable, AttentionKernels.Choose(Ada, new(1, 1000, 12, 128, 64, 128, bf16)));
        Check(KernelForm.Portable, AttentionKernels.Choose(Hopper, new(1, 1000, 12, 128, 128, 64, bf16)));
        Check(KernelForm.Sm90, AttentionKernels.Choose(Hopper, new(1, 1000, 12, 128, 128, 64, bf16, Kind: AttentionKind.Sla)));
        Check(KernelForm.Plain, AttentionKernels.Choose(Ada, new(1, 1000, 12, 128, 128, 64, bf16, Kind: AttentionKind.Sla)));
        Check(KernelForm.Sm90, AttentionKernels.Choose(Hopper, new(1, 1000, 12, 128, 64, 128, bf16, Kind: AttentionKind.Sage)));
        Check(KernelForm.Sm90, Sm90CrossAttentionKernel.Choose(Hopper, 128, bf16, 128));
        Check(KernelForm.Plain, Sm90CrossAttentionKernel.Choose(Ada, 128, bf16, 78));
        Check(KernelForm.Plain, Sm90CrossAttentionKernel.Choose(Hopper, 64, bf16, 78));
        Check(KernelForm.Plain, Sm90CrossAttentionKernel.Choose(Hopper, 128, f32, 78));
        Check(KernelForm.Plain, Sm90CrossAttentionKernel.Choose(Hopper, 128, bf16, 129));
        Check(KernelForm.Portable, AttentionKernels.Choose(Ada, new(1, 1000, 12, 128, 64, 128, bf16, Kind: AttentionKind.Sage)));
        Check(KernelForm.Plain, AttentionKernels.Choose(Hopper, new(1, 1000, 12, 128, 64, 64, bf16, Kind: AttentionKind.Sla)));

        static void Check(KernelForm form, KernelChoice choice)
        {
            Assert.Equal(form, choice.Form);
            Assert.NotEmpty(choice.Reason);
        }
    }

    [Fact]
    public void A_turbo_checkpoint_runs_by_default_in_the_fastest_way_that_the_device_has_kernels_for()
    {
        WanConfig config = ModelSpec.T2V1_3B.Transformer;
        var turbo = new WanVariant(true, WeightFormat.Float);
        Assert.Equal((AttentionKind.Sla, WeightFormat.Float), turbo.DefaultOn(config, null, Placement.Cpu));
        Assert.Equal((AttentionKind.SageSla, WeightFormat.Int8), turbo.DefaultWhere(accelerated: true));
        Assert.Equal((AttentionKind.Sla, WeightFormat.Int8),
            new WanVariant(true, WeightFormat.Int8).DefaultWhere(accelerated: false));
        Assert.Equal((AttentionKind.Dense, WeightFormat.Float),
            new WanVariant(false, WeightFormat.Float).DefaultWhere(accelerated: true));
    }

    [Fact]
    public void A_block_runs_in_kernels_where_all_of_its_operators_do()
    {
        BlockShape block = ModelSpec.T2V1_3B.Transformer.Block(1, ScalarType.BFloat16);
        KernelChoice off = new(KernelForm.Plain, "off");
        AttentionOptions sage = AttentionOptions.SageSla();
        Assert.All([Hopper, Ada], machine => Assert.True(OperatorReport.IsAccelerated(block, sage, _ => machine)));
        foreach (KernelOperator without in new[]
                 {
                     KernelOperator.Int8Matmul, KernelOperator.Attention, KernelOperator.BlockInt8Quantize,
                 })
            Assert.False(OperatorReport.IsAccelerated(block, sage, kernel => kernel == without ? off : Hopper), $"{without}");
        Assert.False(OperatorReport.IsAccelerated(block with { Dtype = ScalarType.Float32 }, sage, _ => Hopper));
        Assert.False(OperatorReport.IsAccelerated(block, AttentionOptions.Of(AttentionKind.SageSla, block: 16), _ => Hopper));
        Assert.False(OperatorReport.IsAccelerated(block, sage, CPU));
    }

    [Fact]
    public void A_report_is_what_the_operators_choose()
    {
        BlockShape block = ModelSpec.T2V1_3B.Transformer.Block(32760, ScalarType.BFloat16);
        IReadOnlyList<OperatorReportEntry> hopper = OperatorReport.Of(block, AttentionOptions.SageSla(), WeightFormat.Int8, _ => Hopper);
        Assert.Equal(["norms: [32760, 1536]", "q, k, v: [32760, 1536] · [1536, 1536]"], hopper.Take(2).Select(e => e.Problem));
        Assert.Equal(KernelForm.Portable,
            Assert.Single(hopper, e => e.Problem.StartsWith("attention's output", StringComparison.Ordinal)).Choice.Form);
        Assert.Equal(7, hopper.Count(e => e.Choice.Form == KernelForm.Sm90));
        Assert.Equal("cross-attention: 32760 tokens to 128 of a text",
            Assert.Single(hopper, e => e.Operator == KernelOperator.CrossAttention).Problem);
        // Products of float weights are libtorch's, and nothing is quantized for them.
        (KernelOperator, KernelForm)[] Float(AttentionOptions attention, KernelChoice machine) =>
            [.. OperatorReport.Of(block, attention, WeightFormat.Float, _ => machine).Select(e => (e.Operator, e.Choice.Form))];
        Assert.Equal([(KernelOperator.Attention, KernelForm.Sm90), (KernelOperator.CrossAttention, KernelForm.Sm90)],
            Float(AttentionOptions.SageSla(), Hopper));
        Assert.Equal([(KernelOperator.RmsNormRotary, KernelForm.Portable), (KernelOperator.CrossAttention, KernelForm.Plain)],
            Float(AttentionOptions.Dense, Ada));
        Assert.All(OperatorReport.Of(block, AttentionOptions.Dense, WeightFormat.Int8, _ => new(KernelForm.Plain, "off")),
            e => Assert.EndsWith("Plain: off", e.ToString()));
    }

    [Fact]
    public void A_VAEs_report_is_what_the_operators_choose()
    {
        FrameShape level = ModelSpec.T2V1_3B.Vae.Level(480, 832, ScalarType.BFloat16);
        Assert.Equal(new(4, 480, 832, 96, 192, 96, 3, ScalarType.BFloat16), level);
        Assert.Equal(new(4, 352, 640, 256, 512, 512, 12, ScalarType.BFloat16), ModelSpec.TI2V5B.Vae.Level(704, 1280, ScalarType.BFloat16));
        (KernelOperator Operator, KernelForm Form)[] Of(KernelChoice machine, KernelOperator? without = null) =>
            [.. OperatorReport.Of(level, o => o == without ? new(KernelForm.Plain, "off") : machine)
                .Select(e => (e.Operator, e.Choice.Form))];
        Assert.Equal([(KernelOperator.CausalConvolution, KernelForm.Sm90), (KernelOperator.CausalConvolution, KernelForm.Sm90),
            (KernelOperator.CausalRmsSilu, KernelForm.Portable),
            (KernelOperator.BiasResidual, KernelForm.Portable), (KernelOperator.UpsampleConvolution, KernelForm.Sm90),
            (KernelOperator.CausalHead, KernelForm.Portable)], Of(Hopper));
        KernelForm[] portable = [KernelForm.Plain, KernelForm.Plain, .. Enumerable.Repeat(KernelForm.Portable, 4)];
        Assert.Equal(portable, Of(Ada).Select(e => e.Form));
        Assert.Equal(portable, Of(Hopper, without: KernelOperator.CausalConvolution).Select(e => e.Form));
    }

    [Fact]
    public void Every_operator_is_reported()
    {
        ModelSpec spec = ModelSpec.T2V1_3B;
        BlockShape block = spec.Transformer.Block(32760, ScalarType.BFloat16);
        OperatorReportEntry[] entries =
        [
            .. OperatorReport.Of(block, AttentionOptions.SageSla(), WeightFormat.Int8, _ => Hopper),
            .. OperatorReport.Of(block, AttentionOptions.Dense, WeightFormat.Int8, _ => Hopper),
            .. OperatorReport.Of(spec.Vae.Level(480, 832, ScalarType.BFloat16), _ => Hopper),
        ];
        Assert.Equal(Enum.GetValues<KernelOperator>().ToHashSet(), entries.Select(e => e.Operator).ToHashSet());
    }

    [Fact]
    public void Layers_of_the_VAE_read_frames_on_Hopper_in_bfloat16()
    {
        Assert.True(CausalConvolution.ServesLayers(Hopper, ScalarType.BFloat16));
        Assert.False(CausalConvolution.ServesLayers(Hopper, ScalarType.Float32));
        Assert.False(CausalConvolution.ServesLayers(Ada, ScalarType.BFloat16));
        Assert.False(CausalConvolution.ServesLayers(CPU, ScalarType.BFloat16));
    }

    [Theory]
    [InlineData(64, 128, 512, 128, 96 << 10)]
    [InlineData(128, 64, 256, 256, 48 << 10)]
    public void Attention_takes_a_thread_block_per_query_block_and_head(int queryBlock, int keyBlock, int blocks, int threads, int bytes)
    {
        KernelConfiguration c = SageSparseAttentionKernel.Configure(new(32760, 12, 128, queryBlock, keyBlock, ScalarType.BFloat16));
        Assert.Equal(new KernelProgram("sage_sparse_attention", ("QUERY_BLOCK", queryBlock), ("KEY_BLOCK", keyBlock)), c.Program);
        Assert.Equal(new KernelLaunch(blocks, 12, threads, bytes), c.Launch);
    }

    [Theory]
    [InlineData(12, 64, 6, 2, 256)]
    [InlineData(24, 64, 6, 4, 256)]
    [InlineData(40, 128, 5, 8, 512)]
    [InlineData(5, 64, 5, 1, 256)]
    [InlineData(7, 64, 1, 7, 256)]
    [InlineData(1, 64, 1, 1, 256)]
    public void Queries_take_a_thread_block_per_block_and_as_many_heads_as_divide_all(int all, int block, int heads, int groups,
        int threads) => Assert.Equal(
        new KernelConfiguration(
            new KernelProgram("sage_queries", ("BLOCK", block), ("HEADS", heads), ("ELEMENT", "i8"), ("FEATURES", 1), ("NORMALIZE", 1)),
            new KernelLaunch((32760 + block - 1) / block, groups, threads, 0)),
        SageQueriesKernel.Configure(new(1, 32760, all), block, true));

    [Theory]
    [InlineData(32760, 12, 227, 24, 11, 2)]
    [InlineData(75600, 40, 227, 24, 25, 2)]
    [InlineData(32760, 12, 99, 24, 11, 1)]
    [InlineData(1, 1, 227, 1, 1, 2)]
    public void Keys_are_divided_so_that_every_multiprocessor_has_a_part(int length, int heads, int sharedKilobytes, int perChunk,
        int chunks, int tiles)
    {
        (KernelConfiguration c, int blocks) = SageKeysKernel.Configure(new(1, length, heads), 128, true, true, 132, sharedKilobytes << 10);
        Assert.Equal(perChunk, blocks);
        Assert.Equal(new KernelProgram("sage_keys", ("BLOCK", 128), ("VALUE_TILES", tiles), ("VALUES", 1), ("ELEMENT", "i8"),
            ("STATE", 1), ("NORMALIZE", 1)), c.Program);
        Assert.Equal(new KernelLaunch(chunks, heads, 512, (1 + tiles) << 15), c.Launch);
    }

    [Fact]
    public void Hopper_attention_takes_a_thread_block_per_two_query_blocks()
    {
        KernelLaunch launch = new(256, 12, 384, (6 << 15) + (17 << 10));
        foreach (bool chosen in new[] { false, true })
            Assert.Equal(new KernelConfiguration(
                new KernelProgram("sm90_int8_attention", ("STAGES", 6), ("CHOSEN", chosen)), launch),
                Sm90Int8AttentionKernel.Configure(new(1, 32760, 12), chosen, HopperShared));
    }

    [Theory]
    [InlineData(32760, 12, 78, 2, 132)]
    [InlineData(32760, 12, 128, 2, 132)]
    [InlineData(129, 2, 64, 1, 4)]
    public void Cross_attention_has_a_thread_block_a_multiprocessor_with_all_keys_and_three_times_its_queries(
        int length, int heads, int keys, int stages, int threadBlocks)
    {
        KernelConfiguration c = Sm90CrossAttentionKernel.Configure(new(1, length, heads), keys, 132);
        Assert.Equal(new KernelProgram("sm90_cross_attention", ("STAGES", stages), ("QUERIES", 3)), c.Program);
        Assert.Equal(new KernelLaunch(threadBlocks, 1, 384, (stages + 3 << 15) + (1 << 10)), c.Launch);
        Assert.InRange(c.Launch.SharedBytes, 1, HopperShared - (1 << 10));
    }

    [Fact]
    public void Hopper_attention_in_bfloat16_takes_a_thread_block_per_query_block() => Assert.Equal(
        new KernelConfiguration(new KernelProgram("sm90_sla_attention", ("STAGES", 6)),
            new KernelLaunch(256, 12, 384, (7 << 15) + (1 << 10))),
        Sm90SlaAttentionKernel.Configure(new(1, 32760, 12), 227 << 10));

    [Theory]
    [InlineData(1, 8)]
    [InlineData(256, 8)]
    [InlineData(257, 16)]
    [InlineData(591, 32)]
    [InlineData(2048, 64)]
    public void Few_programs_choose_among_any_number_of_blocks(int columns, int items) => Assert.Equal(
        new KernelConfiguration(new KernelProgram("block_top_k", ("ITEMS", items)), new KernelLaunch(2, 1, 128, 0)),
            BlockTopKKernel.Configure(5, columns));

    [Theory]
    [InlineData(96, 4, 3)]
    [InlineData(384, 16, 3)]
    [InlineData(24, 1, 3)]
    [InlineData(512, 32, 2)]
    public void Threads_share_a_pixel_evenly(long channels, int lanes, int vectors)
    {
        KernelConfiguration c = CausalRmsSiluKernel.Configure(new(4, 1000, channels, ScalarType.BFloat16));
        Assert.Equal(new KernelProgram("causal_rms_silu", ("LANES", lanes), ("VECTORS", vectors)), c.Program);
        Assert.Equal(new KernelLaunch((1000 * lanes + 255) / 256, 1, 256, 0), c.Launch);
    }

    [Fact]
    public void A_head_has_a_thread_block_per_tile_of_all_frames_and_fits_an_Ada()
    {
        KernelConfiguration c = CausalHeadKernel.Configure(new(4, 481, 832, 96, 3, 3, 3, ScalarType.BFloat16));
        Assert.Equal(new KernelProgram("causal_head", ("CHANNELS", 96), ("OUTPUTS", 3)), c.Program);
        Assert.Equal(new KernelLaunch(31 * 52, 1, 256, 99072), c.Launch);
        Assert.InRange(c.Launch.SharedBytes, 1, AdaShared);
    }

    [Theory]
    // Stages of 32 channels of three columns each, the kernel's rows at once.
    [InlineData(4, 480, 832, 96, 96, 3, 3, 1, 96, true, 6, 132)]
    [InlineData(4, 240, 416, 192, 192, 3, 3, 1, 96, true, 6, 132)]
    [InlineData(1, 60, 104, 384, 384, 3, 3, 1, 96, true, 6, 112)]
    [InlineData(4, 240, 416, 192, 96, 1, 2, 4, 96, true, 7, 132)]
    [InlineData(1, 16, 16, 256, 512, 3, 1, 1, 64, true, 11, 8)]
    [InlineData(8, 120, 208, 256, 512, 3, 1, 1, 128, false, 9, 132)]
    [InlineData(4, 240, 416, 64, 64, 2, 3, 1, 64, true, 7, 132)]
    [InlineData(4, 480, 832, 96, 32, 3, 3, 1, 32, true, 9, 132)]
    public void A_convolution_has_tiles_of_256_pixels(long frames, long height, long width, long channels, long outputs, long kernelFrames,
        long kernel, int phases, int tile, bool alternate, int stages, int threadBlocks)
    {
        var launch = new Sm90CausalConvolutionKernel.Launch(
            new(frames, height, width, channels, outputs, kernelFrames, kernel, ScalarType.BFloat16), phases, Residual: true);
        KernelConfiguration c = Sm90CausalConvolutionKernel.Configure(launch, HopperShared, 132);
        Assert.Equal(new KernelProgram("sm90_causal_convolution", ("CHANNELS", channels), ("OUTPUTS", tile),
            ("ALTERNATE", alternate), ("KERNEL_FRAMES", kernelFrames), ("KERNEL", kernel), ("PHASES", phases),
            ("FRAME_STRIDE", 1), ("STAGES", stages), ("RESIDUAL", 1), ("RELU", 0)), c.Program);
        Assert.Equal((threadBlocks, 384), (c.Launch.GridX, c.Launch.Threads));
        Assert.InRange(c.Launch.SharedBytes + 16 * stages, 100 << 10, HopperShared);
        foreach (Sm90CausalConvolutionKernel.Tuning t in Sm90CausalConvolutionKernel.Tuning.All(launch))
            Assert.InRange(Sm90CausalConvolutionKernel.Configure(launch, HopperShared, 132, t).Launch.SharedBytes, 100 << 10, HopperShared);
    }

    [Theory]
    [InlineData(1, 32760, 12, 1, 6, 125, 263)]
    [InlineData(2, 32760, 12, 1, 6, 249, 132)]
    [InlineData(1, 75600, 40, 4, 5, 287, 264)]
    [InlineData(1, 5, 64, 8, 4, 8, 1)]
    public void Statistics_take_two_thread_blocks_a_multiprocessor(int batch, int length, int heads, int share, int vectors, int chunk,
        int chunks) => Assert.Equal(
        (new KernelConfiguration(new KernelProgram("sage_statistics", ("SHARE", share), ("VECTORS", vectors)),
            new KernelLaunch(chunks, batch, 256, 0)), chunk),
        SageStatisticsKernel.Configure(new(batch, length, heads), 132));

    [Theory]
    [InlineData(64, 64, 128, ScalarType.BFloat16)]
    [InlineData(128, 32, 128, ScalarType.BFloat16)]
    [InlineData(128, 64, 256, ScalarType.BFloat16)]
    [InlineData(128, 64, 128, ScalarType.Float32)]
    public void Attention_that_the_kernels_cannot_do_is_known(int headDim, int queryBlock, int keyBlock, ScalarType dtype) =>
        Assert.Equal(KernelForm.Plain, AttentionKernels.Choose(Hopper, new(1, 1000, 2, headDim, queryBlock, keyBlock, dtype)).Form);

    // sm90_int8_attention.cu in native/attention is launched by Operators/Attention/Sm90Int8AttentionKernel.
    [Fact]
    public void A_kernel_its_source_and_its_launcher_have_one_name_in_folders_of_one_name()
    {
        string[] launchers = [.. typeof(KernelSources).Assembly.GetTypes()
            .Where(t => t.DeclaringType is null && t.Name.EndsWith("Kernel", StringComparison.Ordinal)).Select(t => t.Name)];
        string[] named = [.. KernelSources.Kernels.Select(stem =>
            string.Concat(stem.Split('_').Select(part => char.ToUpperInvariant(part[0]) + part[1..])) + "Kernel")];
        Assert.Equal(named.Order(StringComparer.OrdinalIgnoreCase), launchers.Order(StringComparer.OrdinalIgnoreCase),
            StringComparer.OrdinalIgnoreCase);
        Assert.All(KernelSources.Kernels, stem => Assert.Contains(KernelPrograms.All, p => p.Name == stem));
    }
}
