using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models;
using TurboDiffusion.Models.TinyVae;
using TurboDiffusion.Runtime;
using TurboDiffusion.Tests.Checkpoints;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Models;

public class TinyVaeTests
{
    private readonly Generator _random = new(1);

    private static readonly TinyVaeConfig Small = new(16, 1, (16, 12, 8, 8), 8);

    [Fact]
    public void The_published_networks_have_their_number_of_weights()
    {
        foreach ((TinyVaeConfig config, long decoder) in new[] { (TinyVaeConfig.Wan21, 9_844_611L), (TinyVaeConfig.Wan22, 9_923_532L) })
        {
            using var vae = new TinyVideoAutoencoder(config, Placement.Meta);
            Assert.Equal(decoder, vae.state_dict().Where(t => t.Key.StartsWith("decoder.", StringComparison.Ordinal))
                .Sum(t => t.Value.numel()));
            using var described = new RandomCheckpoint(vae, 0);
            CheckpointReport report = CheckpointInspector.Inspect(described);
            Assert.Equal((config, config == TinyVaeConfig.Wan21 ? "taew2_1" : "taew2_2", 0),
                (report.TinyVae, report.Preset, report.Problems.Count));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Frame_by_frame_is_the_whole_clip(int patch)
    {
        using var scope = NewDisposeScope();
        using TinyVideoAutoencoder vae = Random(Small with { PatchSize = patch, LatentChannels = patch == 1 ? 16 : 48 });
        Tensor latents = _random.Normal(2, vae.Config.LatentChannels, 4, 4, 6), whole = vae.DecodeWhole(latents);
        Assert.Equal([2, 3, 13, 4L * vae.Config.SpatialFactor, 6L * vae.Config.SpatialFactor], whole.shape);
        Comparison.Elementwise(whole, cat([.. vae.DecodeChunks(latents)], 2), 1e-5, 1e-5, "chunks");
        Tensor video = _random.Uniform(whole.shape) * 2 - 1, encoded = vae.Encode(video);
        Assert.Equal(latents.shape, encoded.shape);
        // The past alone is looked at: the first frames do not depend on the last ones.
        Comparison.Elementwise(encoded.narrow(2, 0, 2), vae.Encode(video.narrow(2, 0, 9)).narrow(2, 0, 2), 1e-5, 1e-5, "past");
        Assert.Throws<ArgumentException>(() => vae.Encode(video.narrow(2, 0, 4)));
        Assert.Throws<ArgumentException>(() => vae.DecodeWhole(latents.narrow(1, 0, 3)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void The_decoder_on_frames_is_the_plain_one(int patch)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        TinyVaeConfig config = new(patch == 1 ? 16 : 48, patch, (64, 32, 64, 32), 8);
        using TinyVideoAutoencoder vae = Random(config);
        Tensor latents = _random.Normal(1, 5, config.LatentChannels, 3, 4) * 2;
        using var fast = new TinyFrameDecoder(vae.Decoder);
        using FrameMemory plainPast = new(), past = new();
        foreach ((long first, long count) in new[] { (0L, 1L), (1L, 3L), (4L, 1L) })
        {
            Tensor part = latents.narrow(1, first, count);
            Comparison.Elementwise(vae.Decoder.Run(part, plainPast), fast.Run(part, past, CancellationToken.None), 1e-5, 1e-4,
                $"{count} latent frames from {first}");
        }
        Assert.Throws<OperationCanceledException>(() => fast.Run(latents, past, new CancellationToken(canceled: true)));
    }

    [Fact]
    public void Of_a_layer_with_more_frames_the_last_are_taken()
    {
        using var scope = NewDisposeScope();
        using var model = new TinyVideoAutoencoder(Small, Placement.Meta);
        var random = new RandomCheckpoint(model, 0);
        Tensor more = _random.Normal(36, 12, 1, 1);
        using var file =
            new MemoryCheckpoint([.. random.Tensors.Keys.Select(n => (n, n == "decoder.13.conv.weight" ? more.alias() : random.Read(n)))]);
        using ICheckpoint trimmed = TinyVideoAutoencoder.Trimmed(file, TinyVaeConfig.FromCheckpoint(file));
        Assert.Equal([24, 12, 1, 1], trimmed.Tensors["decoder.13.conv.weight"].Shape);
        Comparison.Exact(more.narrow(0, 12, 24), trimmed.Read("decoder.13.conv.weight"), "last rows");
        Assert.Empty(StrictLoader.Differences(model, trimmed));
    }

    [Fact]
    public void A_cancelled_decoding_stops()
    {
        using var scope = NewDisposeScope();
        using TinyVideoAutoencoder vae = Random(Small);
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.Throws<OperationCanceledException>(() => vae.DecodeWhole(_random.Normal(1, 16, 1, 2, 2), source.Token));
    }

    private static TinyVideoAutoencoder Random(TinyVaeConfig config)
    {
        using var meta = new TinyVideoAutoencoder(config, Placement.Meta);
        var vae = new TinyVideoAutoencoder(config, Placement.Cpu);
        StrictLoader.Load(vae, new RandomCheckpoint(meta, 5), null, TestContext.Current.CancellationToken);
        return vae;
    }
}
