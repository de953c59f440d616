using System.Text.Json;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Runtime;
using Xunit;

namespace TurboDiffusion.Tests.Golden;

/// <summary>Latents of a video and the video of latents, in chunks and whole.</summary>
public sealed class VaeRunner : IGoldenRunner
{
    public string Kind => "vae";

    public void Run(GoldenCase golden)
    {
        JsonElement config = golden.Config;
        var expected = new VaeConfig(
            config.GetProperty("dim").GetInt32(),
            config.GetProperty("z_dim").GetInt32(),
            [.. config.GetProperty("dim_mult").EnumerateArray().Select(e => e.GetInt32())],
            config.GetProperty("num_res_blocks").GetInt32(),
            [.. config.GetProperty("temporal_downsample").EnumerateArray().Select(e => e.GetBoolean())]);
        VaeConfig detected = VaeConfig.FromCheckpoint(golden.Weights());
        Assert.Equal(expected, detected);

        using var vae = new WanVae(detected, Placement.Cpu);
        StrictLoader.Load(vae, golden.Weights());
        torch.Tensor video = golden.Input("video"), latent = golden.Input("latent");
        golden.Check("output::latent", vae.Encode(video));
        golden.Check("output::latent", vae.EncodeWhole(video));
        golden.Check("output::latent_first_frame", vae.Encode(video.narrow(2, 0, 1)));
        golden.Check("output::video", vae.Decode(latent));
        golden.Check("output::video", vae.DecodeWhole(latent));
        golden.Check("output::video_first_frame", vae.Decode(latent.narrow(2, 0, 1)));
    }
}

/// <summary>The VAE of Wan 2.2: latents of a video and the video of its latents, in chunks and whole.</summary>
public sealed class Vae22Runner : IGoldenRunner
{
    public string Kind => "vae22";

    public void Run(GoldenCase golden)
    {
        JsonElement config = golden.Config;
        var expected = new VaeConfig(
            config.GetProperty("dim").GetInt32(),
            config.GetProperty("z_dim").GetInt32(),
            [.. config.GetProperty("dim_mult").EnumerateArray().Select(e => e.GetInt32())],
            config.GetProperty("num_res_blocks").GetInt32(),
            [.. config.GetProperty("temporal_downsample").EnumerateArray().Select(e => e.GetBoolean())],
            config.GetProperty("dec_dim").GetInt32(), config.GetProperty("patch").GetInt32(), hasShortcuts: true);
        Assert.Equal(expected, VaeConfig.FromCheckpoint(golden.Weights()));
        Assert.Equal(ModelKind.Vae, CheckpointLayout.Detect(golden.Weights()).Kind);
        using var vae = new WanVae(expected, Placement.Cpu);
        StrictLoader.Load(vae, golden.Weights());
        torch.Tensor video = golden.Input("video"), latents = golden.Output("latents");
        golden.Check("output::latents", vae.Encode(video));
        golden.Check("output::latents", vae.EncodeWhole(video));
        golden.Check("output::video", vae.Decode(latents));
        golden.Check("output::video", vae.DecodeWhole(latents));
    }
}
