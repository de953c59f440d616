using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Checkpoints;
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
        ("weight", torch.randn(2, 3).to(torch.ScalarType.BFloat16)),
        ("int8_weight", torch.ones(2, 3, torch.ScalarType.Int8)));

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
