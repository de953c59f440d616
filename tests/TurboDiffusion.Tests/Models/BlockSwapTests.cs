using System.Runtime.InteropServices;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime.Copies;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Tests.Runtime;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Models;

/// <summary>Blocks whose weights stay in host memory run as those that are on the device.</summary>
public class BlockSwapTests
{
    private const int Layers = 5;

    private static readonly WanConfig Config = new(64, 128, 2, Layers, textDim: 32, freqDim: 32);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(AttentionKind.Dense, WeightFormat.Float)]
    [InlineData(AttentionKind.Dense, WeightFormat.Int8)]
    [InlineData(AttentionKind.Sla, WeightFormat.Float)]
    [InlineData(AttentionKind.SageSla, WeightFormat.Int8)]
    public void A_swapped_model_gives_what_a_resident_one_gives_bit_for_bit(AttentionKind kind, WeightFormat weights)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using WanModel resident = Loaded(kind, weights, swaps: false), swapped = Loaded(kind, weights, swaps: true);
        Assert.Equal(resident.state_dict().Keys, swapped.state_dict().Keys);
        // Copied at once, as early as a GPU may; and as late as it may.
        foreach (IPinnedCopies copies in new IPinnedCopies[] { new HostCopies(), new LateCopies(), new LateCopies { RefusesToPin = true } })
        {
            swapped.BeginSwapping(_ => copies);
            for (int step = 0; step < 3; step++)
            {
                (Tensor expected, Tensor actual) = (Velocity(resident, step), Velocity(swapped, step));
                Comparison.Exact(expected, actual, $"step {step}, {copies.GetType().Name}");
                Assert.True(expected.equal(actual).all().item<bool>());
            }
        }
        // Blocks by themselves, in any order.
        using CrossContext context = resident.PrepareContext(Text(), cancellationToken: Token);
        foreach (int block in new[] { 3, 0, 0, 4, 2, 1 })
        {
            Tensor hidden = randn([1, 8, 64], generator: new Generator((ulong)block)), time = full(1, 500.0);
            long[] latents = [1, 16, 2, 4, 4];
            Comparison.Exact(resident.ForwardBlock(block, hidden, time, context, latents),
                swapped.ForwardBlock(block, hidden, time, context, latents), $"block {block}");
        }
    }

    [Fact]
    public void The_next_block_is_copied_beside_the_one_that_runs_and_into_no_slot_that_is_in_use()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using WanModel model = Loaded(AttentionKind.Dense, WeightFormat.Float, swaps: true);
        using CrossContext context = model.PrepareContext(Text(), cancellationToken: Token);
        var log = new LoggedCopies();
        model.BeginSwapping(_ => log);
        for (int step = 0; step < 2; step++)
            model.Forward(Latents(step), full(1, 500.0), context, null, Token, (name, _) =>
            {
                if (name.Count(c => c == '.') == 1 && name.StartsWith("blocks.", StringComparison.Ordinal)) log.Say($"end {name[7..]}");
            });
        // A copy waits for every kernel before it, and each block's kernels for its copy.
        var expected = new List<string> { "after kernels", "copy to 0", "copy to 1", "before kernels 0", "end 0" };
        for (int block = 1; block < 2 * Layers; block++)
            expected.AddRange(["after kernels", $"copy to {(block + 1) % 2}", $"before kernels {block % 2}", $"end {block % Layers}"]);
        Assert.Equal(expected, log.Lines);
        Assert.Equal(2 * Layers + 1, log.Sources.Count);
        // Every block comes from its own memory, in order and around.
        Assert.Equal(Layers, log.Sources.Distinct().Count());
        Assert.Equal(log.Sources.Take(Layers + 1), log.Sources.Skip(Layers));
        Assert.Equal(2, log.Targets.Distinct().Count());
        Assert.Equal(log.Bytes.Distinct().Single(), WanModel.BlockBytes(Config, AttentionOptions.Dense, WeightFormat.Float, float32));
    }

    [Fact]
    public void Models_of_few_blocks_are_copied_once_and_more_slots_change_nothing()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        (WanBlock Block, WeightArena Memory)[] memory = [.. Enumerable.Range(0, 4).Select(Numbered)];
        foreach (int slots in new[] { 2, 3, 4, 9 })
        {
            var copies = new LateCopies();
            using (var swap = new BlockSwap([.. memory.Select(m => m.Memory)], Block, copies, slots))
            {
                Assert.Equal(4, copies.Pinned);
                for (int use = 0; use < 12; use++)
                    Assert.Equal(use % 4, swap.Enter(use % 4).get_parameter("norm3.bias")![0].item<float>());
                Assert.Equal(slots >= 4 ? 4 : 12 + slots - 1, copies.Count);
            }
            Assert.True(copies.Disposed);
        }

        (WanBlock Block, WeightArena Memory) Numbered(int number)
        {
            (WanBlock Block, WeightArena Memory) made = Block();
            made.Block.get_parameter("norm3.bias")!.fill_(number);
            return made;
        }

        (WanBlock Block, WeightArena Memory) Block()
        {
            using var shape = new WanBlock(Config, AttentionOptions.Dense, WeightFormat.Float, Placement.Meta);
            var arena = new WeightArena(CPU, shape);
            return (new(Config, AttentionOptions.Dense, WeightFormat.Float, Placement.Cpu with { Arena = arena }), arena);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public void A_cancelled_step_frees_its_memory_and_the_next_one_is_right(int block)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using WanModel resident = Loaded(AttentionKind.Dense, WeightFormat.Float, swaps: false),
            swapped = Loaded(AttentionKind.Dense, WeightFormat.Float, swaps: true);
        var copies = new LateCopies();
        swapped.BeginSwapping(_ => copies);
        using (CrossContext context = swapped.PrepareContext(Text(), cancellationToken: Token))
        {
            long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
            using var cancellation = new CancellationTokenSource();
            Tensor latents = Latents(0), time = full(1, 500.0);
            long with = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
            Assert.ThrowsAny<OperationCanceledException>(() => swapped.Forward(latents, time, context, null, cancellation.Token,
                (name, _) =>
                {
                    if (name == $"blocks.{block}.self_attn") cancellation.Cancel();
                }));
            Assert.Equal(with, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
            Assert.True(with > before);
        }
        Comparison.Exact(Velocity(resident, 1), Velocity(swapped, 1), "after the cancelled one");

        // A copy that fails ends the step with its error, and is made again when the block is next needed.
        copies.Failure = new EnvironmentException("cuda", "lost");
        Assert.Throws<EnvironmentException>(() => Velocity(swapped, 1));
        copies.Failure = null;
        Comparison.Exact(Velocity(resident, 1), Velocity(swapped, 1), "after the failed one");
        swapped.Dispose();
        Assert.True(copies is { Disposed: true, Pinned: 0 });
    }

    [Fact]
    public void A_model_that_was_not_prepared_says_so()
    {
        using var scope = NewDisposeScope();
        using var model = new WanModel(Config, AttentionOptions.Dense, WeightFormat.Float, Placement.Cpu, swapsBlocks: true);
        Assert.True(model.SwapsBlocks);
        Assert.Throws<InvalidOperationException>(() => model.PrepareContext(Text(), cancellationToken: Token));
    }

    [Fact]
    public void Weights_lie_side_by_side_and_no_more_than_were_counted()
    {
        using var scope = NewDisposeScope();
        using var shape = new Sample();
        using var arena = new WeightArena(CPU, shape);
        Assert.False(arena.IsFull);
        Tensor first = arena.Take(float32, [2, 65]), half = arena.Take(bfloat16, [3, 5]), second = arena.Take(float32, [7]);
        Assert.True(arena.IsFull);
        Assert.Equal([(256 + 128) * 4L, 256 * 2], arena.Stretches.Select(s => s.Bytes));
        Assert.All(arena.Stretches, s => Assert.Equal(0, s.Address % 4096));
        first.fill_(1);
        half.fill_(1.5);
        second.fill_(2);
        float[] floats = new float[384];
        Marshal.Copy(arena.Stretches[0].Address, floats, 0, floats.Length);
        Assert.All(floats[..130], value => Assert.Equal(1, value));
        Assert.All(floats[256..263], value => Assert.Equal(2, value));
        Assert.Throws<InvalidOperationException>(() => arena.Take(float32, [1]));
        Assert.Throws<InvalidOperationException>(() => arena.Take(int8, [1]));
        Assert.Equal(arena.Stretches.Sum(s => s.Bytes), WeightArena.BytesOf(shape));
    }

    private static WanModel Loaded(AttentionKind kind, WeightFormat weights, bool swaps)
    {
        using var shape = new WanModel(Config, AttentionOptions.Dense, WeightFormat.Float, Placement.Meta);
        using var random = new RandomCheckpoint(shape, 3, metadata: WanCheckpoint.Metadata(Config));
        return WanCheckpoint.Load(random, AttentionOptions.Of(kind, 0.5), weights, Placement.Cpu, cancellationToken: Token,
            swapsBlocks: swaps);
    }

    private static Tensor Text() => randn([1, 8, 32], generator: new Generator(9));

    private static Tensor Latents(int seed) => randn([1, 16, 2, 4, 4], generator: new Generator((ulong)seed));

    private static Tensor Velocity(WanModel model, int seed)
    {
        using var scope = NewDisposeScope();
        CrossContext context = model.PrepareContext(Text(), cancellationToken: Token);
        return model.Forward(Latents(seed), full(1, 500.0), context, cancellationToken: Token).MoveToOuterDisposeScope();
    }

    private sealed class LoggedCopies : IPinnedCopies
    {
        private readonly HostCopies _copies = new();

        public List<string> Lines { get; } = [];

        public List<nint> Sources { get; } = [];

        public List<nint> Targets { get; } = [];

        public List<long> Bytes { get; } = [];

        public void Say(string line) => Lines.Add(line);

        public bool Pin(nint address, long bytes) => false;

        public void Unpin(nint address)
        {
        }

        public void CopyToDevice(nint target, nint source, long bytes, int slot)
        {
            Lines.Add($"copy to {slot}");
            Sources.Add(source);
            Targets.Add(target);
            Bytes.Add(bytes);
            _copies.CopyToDevice(target, source, bytes, slot);
        }

        public void CopyToHost(nint target, nint source, long bytes, int slot) => throw new NotSupportedException();

        public void Wait(int slot)
        {
        }

        public void AfterQueued() => Lines.Add("after kernels");

        public void BeforeQueued(int slot) => Lines.Add($"before kernels {slot}");

        public void Dispose()
        {
        }
    }

    private sealed class Sample : nn.Module
    {
        [ComponentName(Name = "first")]
        public readonly Parameter First = Placement.Meta.Empty(2, 65);

        [ComponentName(Name = "half")]
        public readonly Parameter Half = Placement.Meta.Empty(bfloat16, 3, 5);

        [ComponentName(Name = "second")]
        public readonly Parameter Second = Placement.Meta.Empty(7);

        public Sample()
            : base(nameof(Sample)) => RegisterComponents();
    }
}
