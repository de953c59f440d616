using System.Collections.Concurrent;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Int8;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using Xunit;

namespace TurboDiffusion.Tests.Checkpoints;

public class StrictLoaderTests
{
    [Fact]
    public void Every_tensor_is_copied_and_floats_take_the_parameters_type()
    {
        using var module = new Sample(Placement.Cpu);
        using MemoryCheckpoint checkpoint = Good();
        var progress = new List<(int, int)>();
        StrictLoader.Load(module, checkpoint, new Report(progress.Add), TestContext.Current.CancellationToken);
        Comparison.Exact(checkpoint.Read("weight"), module.Weight, "weight");
        Comparison.Exact(checkpoint.Read("scale"), module.Scale, "scale");
        Comparison.Exact(checkpoint.Read("int8_weight"), module.Int8Weight, "int8_weight");
        Assert.Equal(torch.ScalarType.Float32, module.Weight.dtype);
        Assert.Equal([(1, 3), (2, 3), (3, 3)], progress);
    }

    [Fact]
    public void A_shape_that_would_broadcast_is_refused_and_nothing_is_copied()
    {
        using var module = new Sample(Placement.Cpu);
        torch.nn.init.zeros_(module.Weight);
        using var checkpoint = new MemoryCheckpoint(
            ("weight", torch.ones(2, 3)), ("scale", torch.ones(1)), ("int8_weight", torch.ones(2, 3, torch.ScalarType.Int8)));
        CheckpointException e = Assert.Throws<CheckpointException>(() => Load(module, checkpoint));
        Assert.Contains("scale (found Float32 [1], expected Float32 [])", e.Message);
        Assert.Equal(0, module.Weight.abs().sum().item<float>());
    }

    [Fact]
    public void Missing_and_unexpected_names_are_listed()
    {
        using var module = new Sample(Placement.Cpu);
        using var checkpoint = new MemoryCheckpoint(
            [.. Enumerable.Range(0, 20).Select(i => ($"other.{i}", torch.ones(1)))]);
        CheckpointException e = Assert.Throws<CheckpointException>(() => Load(module, checkpoint));
        Assert.Contains("3 missing: ", e.Message);
        Assert.Contains("20 unexpected: other.0, other.1, other.2, other.3, other.4, other.5, other.6, other.7, …", e.Message);
    }

    [Fact]
    public void Integers_are_not_converted()
    {
        using var module = new Sample(Placement.Cpu);
        using var checkpoint = new MemoryCheckpoint(
            ("weight", torch.ones(2, 3, torch.ScalarType.Int8)), ("scale", torch.tensor(1f)), ("int8_weight", torch.ones(2, 3)));
        CheckpointException e = Assert.Throws<CheckpointException>(() => Load(module, checkpoint));
        Assert.Contains("2 of another shape or type: ", e.Message);
        Assert.Contains("int8_weight (found Float32 [2, 3], expected Int8 [2, 3])", e.Message);
    }

    [Fact]
    public void A_cancelled_load_stops()
    {
        using var module = new Sample(Placement.Cpu);
        using MemoryCheckpoint checkpoint = Good();
        using var source = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() =>
            StrictLoader.Load(module, checkpoint, new Report(_ => source.Cancel()), source.Token));
    }

    [Fact]
    public void A_few_tensors_whose_values_are_computed_are_read_at_once()
    {
        using var scope = torch.NewDisposeScope();
        using var module = new Sample(Placement.Cpu);
        using var checkpoint = new Computed(Good(), Math.Min(Environment.ProcessorCount, 3));
        Load(module, checkpoint);
        Assert.True(checkpoint.Together, "they were read one after the other");
        Comparison.Exact(checkpoint.Read("weight"), module.Weight, "weight");
    }

    [Fact]
    public void Weights_that_are_quantized_as_they_are_loaded_are_read_once()
    {
        using var scope = torch.NewDisposeScope();
        var config = new WanConfig(128, 256, 1, 2, textDim: 32, freqDim: 32);
        using var shapes = new WanModel(config, AttentionOptions.Dense, WeightFormat.Float, Placement.Meta);
        using var checkpoint = new Computed(new RandomCheckpoint(shapes, 3), 1);
        using WanModel loaded = WanCheckpoint.Load(checkpoint, AttentionOptions.Dense, WeightFormat.Int8, Placement.Cpu,
            cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(checkpoint.Tensors.Keys.Order(), checkpoint.Reads.Order());
        using var view = new QuantizedCheckpoint(checkpoint, WanCheckpoint.Int8Layers);
        foreach ((string name, torch.Tensor value) in loaded.state_dict()) Comparison.Exact(view.Read(name), value, name);
    }

    [Fact]
    public void What_cannot_be_computed_ends_the_load_with_its_error()
    {
        using var scope = torch.NewDisposeScope();
        using var module = new Sample(Placement.Cpu);
        using var checkpoint = new Computed(Good(), 1) { Broken = "weight" };
        Assert.Equal("broken", Assert.Throws<CheckpointException>(() => Load(module, checkpoint)).Reason);
    }

    [Fact]
    public void A_module_without_memory_is_refused()
    {
        using var module = new Sample(Placement.Meta);
        using MemoryCheckpoint checkpoint = Good();
        Assert.Throws<ArgumentException>(() => Load(module, checkpoint));
    }

    private static void Load(torch.nn.Module module, ICheckpoint checkpoint) =>
        StrictLoader.Load(module, checkpoint, null, TestContext.Current.CancellationToken);

    private static MemoryCheckpoint Good() => new(
        ("scale", torch.tensor(0.5f)),
        ("weight", torch.randn(2, 3, generator: new torch.Generator(1)).to(torch.ScalarType.BFloat16)),
        ("int8_weight", torch.ones(2, 3, torch.ScalarType.Int8)));

    // Tensors of which no file has the bytes. Each waits until as many are read at once as are expected.
    private sealed class Computed(ICheckpoint inner, int expected) : CheckpointView(inner)
    {
        private readonly ManualResetEventSlim _together = new();
        private int _awaited = expected;

        public string? Broken { get; init; }

        public bool Together { get; private set; } = true;

        public ConcurrentBag<string> Reads { get; } = [];

        public override IReadOnlyDictionary<string, TensorInfo> Tensors => Inner.Tensors;

        public override torch.Tensor Read(string name)
        {
            Reads.Add(name);
            if (name == Broken) throw new CheckpointException(Path, "broken");
            if (Interlocked.Decrement(ref _awaited) == 0) _together.Set();
            if (!_together.Wait(TimeSpan.FromSeconds(30))) Together = false;
            return Inner.Read(name);
        }
    }

    private sealed class Report(Action<(int, int)> report) : IProgress<(int Done, int Total)>
    {
        void IProgress<(int Done, int Total)>.Report((int Done, int Total) value) => report(value);
    }

    private sealed class Sample : torch.nn.Module
    {
        [ComponentName(Name = "weight")]
        private readonly Parameter _weight;

        [ComponentName(Name = "scale")]
        private readonly Parameter _scale;

        [ComponentName(Name = "int8_weight")]
        private readonly Parameter _int8Weight;

        public Sample(Placement placement)
            : base(nameof(Sample))
        {
            _weight = placement.Empty(2, 3);
            _scale = placement.Empty();
            _int8Weight = placement.Empty(torch.ScalarType.Int8, 2, 3);
            RegisterComponents();
        }

        public Parameter Weight => _weight;

        public Parameter Scale => _scale;

        public Parameter Int8Weight => _int8Weight;
    }
}
