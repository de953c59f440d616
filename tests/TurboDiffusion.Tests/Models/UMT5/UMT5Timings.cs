using System.Diagnostics;
using System.Globalization;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Tests.Checkpoints;
using TurboDiffusion.Tests.Operators;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Models.UMT5;

/// <summary>
/// An encoder of umT5-xxl's size on a GPU, in float and in int8: loading from a file, memory, time and error. Its weights are drawn as the
/// official code begins with them.
/// </summary>
[Trait("Category", "Gpu")]
public class UMT5Timings
{
    private readonly Device _device = KernelConformance.RequireGpu();

    [Fact]
    public void Formats()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var folder = new TestFolder();
        UMT5Config config = UMT5Config.Xxl;
        var placement = new Placement(_device, ScalarType.BFloat16);
        string floats = folder.File("float.safetensors"), ints = folder.File("int8.safetensors");
        using (var shapes = new UMT5Encoder(config, Placement.Meta))
        {
            ICheckpoint random = new AsItBegins(new RandomCheckpoint(shapes, 1, ScalarType.BFloat16) { Device = _device }, config);
            SafetensorsWriter.Write(floats, TensorSource.From(random));
            SafetensorsWriter.Write(ints, TensorSource.From(UMT5Checkpoint.Int8Layers.As(random, WeightFormat.Int8, _device)));
        }
        Tensor ids = arange(1, 513, ScalarType.Int64).mul(479).remainder(config.Vocab).reshape(1, -1), mask = ones_like(ids);
        // In float32, of the weights that the float file has.
        Tensor expected = Measure("float file, float32", floats, WeightFormat.Float, new Placement(_device, ScalarType.Float32), null);
        Tensor half = Measure("float file, bfloat16", floats, WeightFormat.Float, placement, expected);
        Tensor quantized = Measure("float file, int8", floats, WeightFormat.Int8, placement, expected);
        Comparison.Exact(quantized, Measure("int8 file, int8", ints, WeightFormat.Int8, placement, expected), "embedding");
        Print($"int8 against bfloat16: {Error(half, quantized)}");

        Tensor Measure(string form, string file, WeightFormat weights, Placement where, Tensor? reference)
        {
            DeviceMemory.Release(_device);
            long before = DeviceMemory.OfGpu(0).Free;
            using ICheckpoint checkpoint = Checkpoint.OpenModel(file);
            var clock = Stopwatch.StartNew();
            using UMT5Encoder encoder = UMT5Checkpoint.Load(checkpoint, weights, where);
            cuda.synchronize();
            double loading = clock.Elapsed.TotalSeconds;
            DeviceMemory.Release(_device);
            long loaded = DeviceMemory.OfGpu(0).Free;
            Tensor embedding = encoder.Encode(ids, mask).to_type(ScalarType.Float32);
            double[] times = [.. new[] { 32, 128, 512 }.Select(n =>
                CudaTimer.Median(_device, () => encoder.Encode(ids.narrow(1, 0, n), mask.narrow(1, 0, n)).Dispose(), 2, 7))];
            Print(string.Create(CultureInfo.InvariantCulture,
                $"{form}: file {new FileInfo(file).Length / 1e9:0.0} GB, loading {loading:0.00} s, "
                + $"weights {(before - loaded) / 1e9:0.0} GB, working "
                + $"{(loaded - DeviceMemory.OfGpu(0).Free) / 1e9:0.0} GB; 32, 128, 512 tokens in "
                + $"{string.Join(", ", times.Select(t => t.ToString("0.0", CultureInfo.InvariantCulture)))} ms")
                + (reference is null ? "" : $"; {Error(reference, embedding)}"));
            return embedding;
        }
    }

    private static string Error(Tensor expected, Tensor actual) => string.Create(CultureInfo.InvariantCulture,
        $"relative L2 {Comparison.RelativeL2(expected, actual, 1, "embedding"):0.0000}, cosine of the worst token "
        + $"{nn.functional.cosine_similarity(expected, actual, 2, 1e-8).min().item<float>():0.00000}");

    private static void Print(string line) => Console.WriteLine(line);

    // Normal with variance 1 / fan-in otherwise, with which attention's scores, which are not scaled, would be eight times as far apart.
    private sealed class AsItBegins(ICheckpoint inner, UMT5Config config) : CheckpointView(inner)
    {
        public override IReadOnlyDictionary<string, TensorInfo> Tensors => Inner.Tensors;

        public override Tensor Read(string name) => Inner.Read(name).mul_(
            name.EndsWith("attn.q.weight", StringComparison.Ordinal) ? Math.Pow(config.HeadDim, -0.5)
            : name.StartsWith("token_embedding.", StringComparison.Ordinal) ? Math.Sqrt(config.Dim)
            : name.Contains("pos_embedding", StringComparison.Ordinal) ? Math.Pow(2 * config.NumBuckets, -0.5) : 1);
    }
}
