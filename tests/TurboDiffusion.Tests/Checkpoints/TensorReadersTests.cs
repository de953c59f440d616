using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime.Copies;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Tests.Generation;
using TurboDiffusion.Tests.Runtime;
using Xunit;

namespace TurboDiffusion.Tests.Checkpoints;

/// <summary>Reading by several threads, straight into the tensors or through pinned memory.</summary>
public sealed class TensorReadersTests(SmallModelFixture models) : IDisposable
{
    // Two whole pieces and a part of one.
    private const int LargeElements = TensorReaders.PieceBytes / sizeof(float) * 2 + 1000;

    private readonly TestFolder _folder = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Tensors_larger_than_a_piece_small_ones_and_empty_ones_arrive_whole()
    {
        using var scope = torch.NewDisposeScope();
        using SafetensorsFile file = Written();
        using var module = new Sample();
        var progress = new List<(int, int)>();
        StrictLoader.Load(module, file, new Report(progress.Add), Token);
        foreach ((string name, torch.Tensor tensor) in module.state_dict()) Comparison.Exact(file.Read(name), tensor, name);
        Assert.Equal(Enumerable.Range(1, 4).Select(i => (i, 4)), progress);
    }

    // The copies of the fake happen as late as a GPU's may: when they are waited for. A buffer that was filled again before would show.
    [Fact]
    public void Pieces_go_through_pinned_memory_whose_buffers_are_not_touched_while_they_are_copied()
    {
        using var scope = torch.NewDisposeScope();
        using SafetensorsFile file = Written();
        using var module = new Sample();
        foreach (torch.Tensor tensor in module.state_dict().Values) tensor.zero_();
        var late = new List<LateCopies>();
        using (var readers = new TensorReaders(
            () =>
            {
                var copies = new LateCopies();
                lock (late) late.Add(copies);
                return new StagedPieceReader(copies);
            },
            Token))
        {
            foreach ((string name, torch.Tensor tensor) in module.state_dict()) readers.Add(name, tensor, file.Locate(name)!);
            readers.Start();
            var names = new List<string>();
            while (readers.WaitForNext() is { } name) names.Add(name);
            Assert.Equal(module.state_dict().Keys.Order(), names.Order());
        }
        foreach ((string name, torch.Tensor tensor) in module.state_dict()) Comparison.Exact(file.Read(name), tensor, name);
        Assert.All(late, copies => Assert.True(copies is { Disposed: true, Pinned: 0 }));
        Assert.Equal(6, late.Sum(copies => copies.Count));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_file_that_shrinks_and_a_copy_that_fails_end_the_load_with_their_error(bool copyFails)
    {
        using var scope = torch.NewDisposeScope();
        using SafetensorsFile file = Written();
        using var module = new Sample();
        if (!copyFails)
        {
            using (FileStream shrunk = System.IO.File.Open(file.Path, FileMode.Open, FileAccess.Write)) shrunk.SetLength(1000);
            Assert.Throws<CheckpointException>(() => StrictLoader.Load(module, file, null, Token));
            return;
        }
        using var readers = new TensorReaders(
            () => new StagedPieceReader(new LateCopies { Failure = new EnvironmentException("cuda", "lost") }), Token);
        readers.Add("large", module.Large, file.Locate("large")!);
        readers.Start();
        Assert.Throws<EnvironmentException>(() => readers.WaitForNext());
    }

    [Fact]
    public void A_cancelled_load_stops_and_nothing_writes_any_more()
    {
        using var scope = torch.NewDisposeScope();
        using SafetensorsFile file = Written();
        using var module = new Sample();
        using var source = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => StrictLoader.Load(module, file, new Report(_ => source.Cancel()), source.Token));
        foreach (torch.Tensor tensor in module.state_dict().Values) tensor.zero_();
        Assert.All(module.state_dict().Values, tensor => Assert.Equal(0, tensor.to(torch.float64).abs().sum().item<double>()));
    }

    [Fact]
    public void Whatever_shows_a_tensor_locates_the_bytes_that_it_reads_or_none()
    {
        int located = 0, computed = 0;
        using ICheckpoint file = Checkpoint.OpenModel(models.TextToVideo.Transformer);
        WanConfig config = WanCheckpoint.ReadConfig(file);
        foreach (AttentionKind attention in new[] { AttentionKind.Dense, AttentionKind.Sla })
            foreach (WeightFormat weights in Enum.GetValues<WeightFormat>())
            {
                // Not disposed: the views would take the file along.
                ICheckpoint view = WanCheckpoint.As(file, config, AttentionOptions.Of(attention), weights);
                foreach (string name in view.Tensors.Keys)
                {
                    using torch.Tensor read = view.Read(name);
                    if (view.Locate(name) is not { } location)
                    {
                        computed++;
                        continue;
                    }
                    located++;
                    byte[] bytes = new byte[location.Info.ByteCount];
                    location.Read(0, bytes);
                    Assert.Equal(read.dtype, location.Info.Dtype);
                    Assert.Equal(read.bytes.ToArray(), bytes);
                }
                Assert.Null(view.Locate("no such tensor"));
            }
        Assert.True(located > 50 && computed > 10, $"{located} located, {computed} computed");
        TensorLocation any = file.Locate(file.Tensors.Keys.First())!;
        Assert.Throws<ArgumentOutOfRangeException>(() => any.Read(any.Info.ByteCount, new byte[1]));
    }

    private SafetensorsFile Written()
    {
        string path = _folder.File("large.safetensors");
        if (!System.IO.File.Exists(path))
        {
            using var scope = torch.NewDisposeScope();
            using var generator = new torch.Generator(3);
            SafetensorsWriter.Write(path,
            [
                TensorSource.From("large", torch.rand([LargeElements], generator: generator)),
                TensorSource.From("small", torch.rand([3, 5], generator: generator)),
                TensorSource.From("half", torch.rand([7], generator: generator).to(torch.bfloat16)),
                TensorSource.From("int8", torch.randint(-100, 100, [64, 64], torch.int8, generator: generator)),
            ]);
        }
        return SafetensorsFile.Open(path);
    }

    private sealed class Sample : torch.nn.Module
    {
        [ComponentName(Name = "large")]
        public readonly Parameter Large = Placement.Cpu.Empty(LargeElements);

        [ComponentName(Name = "small")]
        public readonly Parameter Small = Placement.Cpu.Empty(3, 5);

        [ComponentName(Name = "half")]
        public readonly Parameter Half = Placement.Cpu.Empty(torch.ScalarType.BFloat16, 7);

        [ComponentName(Name = "int8")]
        public readonly Parameter Int8 = Placement.Cpu.Empty(torch.ScalarType.Int8, 64, 64);

        public Sample()
            : base(nameof(Sample)) => RegisterComponents();
    }

    private sealed class Report(Action<(int, int)> report) : IProgress<(int Done, int Total)>
    {
        void IProgress<(int Done, int Total)>.Report((int Done, int Total) value) => report(value);
    }
}
