using System.Text.Json;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.TinyVae;
using TurboDiffusion.Runtime;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Golden;

/// <summary>A tiny autoencoder: encode and decode, whole and frame by frame.</summary>
public sealed class TinyVaeCase : IGoldenRunner
{
    public string Kind => "taehv";

    public void Run(GoldenCase golden)
    {
        JsonElement config = golden.Config;
        int[] widths = [.. config.GetProperty("widths").EnumerateArray().Select(e => e.GetInt32())];
        var expected = new TinyVaeConfig(config.GetProperty("latent_channels").GetInt32(), config.GetProperty("patch_size").GetInt32(),
            (widths[0], widths[1], widths[2], widths[3]), config.GetProperty("encoder_width").GetInt32());
        Assert.Equal(expected, TinyVaeConfig.FromCheckpoint(golden.Weights()));
        Assert.Equal(ModelKind.TinyVae, CheckpointLayout.Detect(golden.Weights()).Kind);
        using var vae = new TinyVideoAutoencoder(expected, Placement.Cpu);
        StrictLoader.Load(vae, TinyVideoAutoencoder.Trimmed(golden.Weights(), expected));

        // There, frames come before channels and pixels are in [0, 1].
        golden.Check("output::latents", vae.Encode(golden.Input("video").transpose(1, 2) * 2 - 1).transpose(1, 2));
        Tensor latents = golden.Input("latents").transpose(1, 2), whole = vae.DecodeWhole(latents);
        golden.Check("output::video", (whole.transpose(1, 2) + 1) / 2);
        Tensor[] chunks = [.. vae.DecodeChunks(latents)];
        Assert.Equal([1, .. Enumerable.Repeat(4L, (int)latents.shape[2] - 1)], chunks.Select(c => c.shape[2]));
        golden.Check("output::video", (cat(chunks, 2).transpose(1, 2) + 1) / 2);
    }
}
