using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using Xunit;

namespace TurboDiffusion.Tests.Models;

/// <summary>Checkpoints whose names and shapes claim absurd models: refused before a model of that size is made.</summary>
public class HostileSizesTests
{
    private const long Huge = 3_000_000_000;

    [Fact]
    public void A_transformer_of_absurd_sizes_is_refused()
    {
        (string, long[])[] good =
        [
            ("patch_embedding.weight", [128, 64]), ("blocks.0.ffn.0.bias", [256]), ("head.head.weight", [64, 128]),
            ("text_embedding.0.weight", [128, 32]), ("time_embedding.0.weight", [128, 256]),
        ];
        Assert.Equal(new WanConfig(128, 256, 1, 1, textDim: 32), WanCheckpoint.ReadConfig(new Shapes(good)));
        Assert.Throws<CheckpointException>(() => WanCheckpoint.ReadConfig(new Shapes([.. good, ("blocks.999999.ffn.0.bias", [256])])));
        foreach (string name in good.Select(t => t.Item1))
            Assert.Throws<CheckpointException>(() => WanCheckpoint.ReadConfig(
                new Shapes([.. good.Select(t => t.Item1 == name ? (name, [.. t.Item2.Select(_ => Huge)]) : t)])));
    }

    [Fact]
    public void A_text_encoder_of_absurd_sizes_is_refused()
    {
        (string, long[])[] good =
        [
            ("token_embedding.weight", [300, 64]), ("blocks.0.attn.q.weight", [64, 64]), ("blocks.0.ffn.fc1.weight", [96, 64]),
            ("blocks.0.pos_embedding.embedding.weight", [32, 2]),
        ];
        Assert.Equal(1, UMT5Config.FromCheckpoint(new Shapes(good)).NumLayers);
        Assert.Throws<CheckpointException>(() => UMT5Config.FromCheckpoint(new Shapes([.. good, ("blocks.999999.norm1.weight", [64])])));
        foreach (string name in good.Select(t => t.Item1))
            Assert.Throws<CheckpointException>(() => UMT5Config.FromCheckpoint(
                new Shapes([.. good.Select(t => t.Item1 == name ? (name, [.. t.Item2.Select(_ => Huge)]) : t)])));
    }

    [Fact]
    public void A_vae_of_absurd_sizes_is_refused() =>
        Assert.Throws<CheckpointException>(() =>
            VaeConfig.FromCheckpoint(new Shapes([("encoder.conv1.bias", [Huge]), ("conv2.bias", [16])])));

    private sealed class Shapes(IEnumerable<(string Name, long[] Shape)> tensors) : ICheckpoint
    {
        public string Path => "hostile.safetensors";

        public IReadOnlyDictionary<string, TensorInfo> Tensors { get; } =
            tensors.ToDictionary(t => t.Name, t => new TensorInfo(t.Name, torch.ScalarType.Float32, t.Shape));

        public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

        public torch.Tensor Read(string name) => throw new NotSupportedException();

        public void Dispose()
        {
        }
    }
}
