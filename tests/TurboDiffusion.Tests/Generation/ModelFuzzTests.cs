using System.Text;
using System.Text.Json;
using CsCheck;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;
using TurboDiffusion.Tests.Checkpoints;
using Xunit;

namespace TurboDiffusion.Tests.Generation;

/// <summary>Models of strangers: descriptions and headers that are well formed and mean something else reach the loader.</summary>
public sealed class ModelFuzzTests(SmallModelFixture models) : IDisposable
{
    private static readonly Gen<(double At, int Kind)[]> Changes = Gen.Select(Gen.Double[0, 1], Gen.Int[0, JsonMutation.Kinds]).Array[1, 3];

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Descriptions()
    {
        string folder = Path.GetDirectoryName(models.TextToVideo.Transformer)!,
            seed = File.ReadAllText(Path.Combine(folder, ModelFiles.DescriptionFile));
        foreach (string file in Directory.GetFiles(folder).Where(f => !f.EndsWith(ModelFiles.DescriptionFile, StringComparison.Ordinal)))
            File.CreateSymbolicLink(_folder.File(Path.GetFileName(file)), file);
        FuzzRun run = FuzzRun.Of("descriptions of models", Changes, changes =>
        {
            _folder.Write(ModelFiles.DescriptionFile,
                changes.Aggregate(seed, (json, change) => JsonMutation.Mutate(json, change.At, change.Kind)));
            using VideoModel model = VideoModel.Open(ModelFiles.FromFolder(_folder.Path), new VideoModelOptions { Device = "cpu" });
            model.Check(models.Request() with { Size = null, Frames = null, Steps = null });
        });
        Assert.True(run.Refused > 5, $"{run.Refused} refused");
    }

    [Fact]
    public void Headers_of_other_shapes()
    {
        var seeds = new[] { models.TextToVideo.Transformer, models.TextToVideo.Vae, models.TextToVideo.TextEncoder,
            models.ImageToVideo.Transformer }.Select(Described).ToArray();
        // Which file, and changes: where, what, how much.
        var cases = Gen.Select(Gen.Int[0, seeds.Length - 1], Gen.Select(Gen.Double[0, 1], Gen.Int[0, 6], Gen.Int[0, 9]).Array[1, 4]);
        FuzzRun run = FuzzRun.Of("headers of models", cases, c =>
        {
            List<TensorInfo> tensors = [.. seeds[c.Item1]];
            foreach ((double at, int kind, int amount) in c.Item2) Change(tensors, at, kind, amount);
            string path = WriteHeader(tensors);
            using (ICheckpoint file = Checkpoint.Open(path)) CheckpointInspector.Inspect(file);
            ModelFiles files = c.Item1 switch
            {
                0 => models.TextToVideo with { Transformer = path },
                1 => models.TextToVideo with { Vae = path },
                2 => models.TextToVideo with { TextEncoder = path },
                _ => models.ImageToVideo with { Transformer = path },
            };
            using VideoModel model = VideoModel.Open(files, new VideoModelOptions { Device = "cpu" });
        });
        Assert.True(run.Refused > 5, $"{run.Refused} refused");
    }

    private static TensorInfo[] Described(string path)
    {
        using ICheckpoint file = Checkpoint.Open(path);
        return [.. file.Tensors.Values];
    }

    private static void Change(List<TensorInfo> tensors, double at, int kind, int amount)
    {
        if (tensors.Count == 0) return;
        int place = Math.Min((int)(at * tensors.Count), tensors.Count - 1);
        TensorInfo t = tensors[place];
        long[] shape = [.. t.Shape];
        long[] sizes = [0, 1, 2, 3, 127, 129, 4096, 65_536, 1 << 20, 1L << 28];
        switch (kind)
        {
            case 0: tensors.RemoveAt(place); return;
            case 1 when shape.Length > 0: shape[amount % shape.Length] = sizes[amount]; break;
            case 2: shape = [.. shape, sizes[amount]]; break;
            case 3: shape = shape.Length > 0 ? shape[1..] : [1]; break;
            case 4: t = t with { Name = t.Name.Replace("0", $"{sizes[amount]}") }; break;
            case 5: t = t with { Name = new string('n', (int)Math.Min(sizes[amount], 5000)) + t.Name }; break;
            default: t = t with { Dtype = amount % 2 == 0 ? TorchSharp.torch.ScalarType.Int8 : TorchSharp.torch.ScalarType.Float64 }; break;
        }
        tensors[place] = t with { Shape = shape };
    }

    // The data is a hole in the disk.
    private string WriteHeader(List<TensorInfo> tensors)
    {
        var header = new Dictionary<string, object>();
        long offset = 0;
        foreach (TensorInfo t in tensors)
        {
            if (!t.HasSaneSize || t.ByteCount > 1L << 40 || !header.TryAdd(t.Name, "")) continue;
            string dtype = t.Dtype switch { TorchSharp.torch.ScalarType.Int8 => "I8", TorchSharp.torch.ScalarType.Float64 => "F64",
                _ => "F32" };
            header[t.Name] = new { dtype, shape = t.Shape, data_offsets = new[] { offset, offset += t.ByteCount } };
        }
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(header);
        string path = _folder.File("model.safetensors");
        using FileStream file = File.Create(path);
        file.Write(BitConverter.GetBytes((long)json.Length));
        file.Write(json);
        file.SetLength(8 + json.Length + offset);
        return path;
    }
}
