using System.Text.Json;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Golden;

/// <summary>Token ids and noise to a video.</summary>
public sealed class EndToEndTextToVideoCase : IGoldenRunner
{
    public string Kind => "e2e_t2v";

    public void Run(GoldenCase golden)
    {
        JsonElement config = golden.Config;
        using var encoder = new UMT5Encoder(UMT5Config.FromCheckpoint(golden.Weights("t5.")), Placement.Cpu);
        StrictLoader.Load(encoder, golden.Weights("t5."));
        Tensor embedding = encoder.Encode(golden.Input("ids"), golden.Input("mask"), TestContext.Current.CancellationToken);
        golden.Check("output::embedding", embedding);

        using var slot = EndToEnd.Slot(() => DitCase.Load(config.GetProperty("dit"), golden.Weights("dit.")));
        var sampler = new RcmSampler(config.GetProperty("steps").GetInt32(), config.GetProperty("sigma_max").GetDouble());
        EndToEnd.DenoiseAndDecode(golden, sampler, [slot], 0, embedding, null);
    }

}

/// <summary>An image, an embedding and noise to a video, with two experts.</summary>
public sealed class EndToEndImageToVideoCase : IGoldenRunner
{
    public string Kind => "e2e_i2v";

    public void Run(GoldenCase golden)
    {
        JsonElement config = golden.Config;
        var sampler = new RcmSampler(config.GetProperty("steps").GetInt32(), config.GetProperty("sigma_max").GetDouble(),
            config.GetProperty("ode").GetBoolean());
        double boundary = config.GetProperty("boundary").GetDouble();
        Assert.Equal(config.GetProperty("experts").EnumerateArray().Select(e => e.GetString() == "high" ? 0 : 1),
            sampler.NoiseLevels.SkipLast(1).Select(t => Denoiser.ExpertFor(t, boundary, 2)));

        using WanVae vae = EndToEnd.LoadVae(golden);
        Tensor y = ImageCondition.Encode(vae, golden.Input("image").squeeze(0), config.GetProperty("frames").GetInt32(), CPU,
            cancellationToken: TestContext.Current.CancellationToken);
        golden.Check("output::y", y);

        using var high = EndToEnd.Slot(() => DitCase.Load(config.GetProperty("dit"), golden.Weights("high.")));
        using var low = EndToEnd.Slot(() => DitCase.Load(config.GetProperty("dit"), golden.Weights("low.")));
        EndToEnd.DenoiseAndDecode(golden, sampler, [high, low], boundary, golden.Input("embedding"), y);
    }
}

internal static class EndToEnd
{
    public static ModelSlot<WanModel> Slot(Func<WanModel> load) => new((_, _) => load(), keepLoaded: true);

    public static WanVae LoadVae(GoldenCase golden)
    {
        var vae = new WanVae(VaeConfig.WithDim(golden.Config.GetProperty("vae").GetProperty("dim").GetInt32()), Placement.Cpu);
        StrictLoader.Load(vae, golden.Weights("vae."));
        return vae;
    }

    public static void DenoiseAndDecode(
        GoldenCase golden, ISampler sampler, IReadOnlyList<ModelSlot<WanModel>> experts, double boundary, Tensor embedding,
        Tensor? condition)
    {
        using var denoiser = new Denoiser(experts, boundary, embedding, images: new EncodedImages { Condition = condition });
        Tensor latents = DenoisingLoop.Run(sampler, golden.Input("noise"), denoiser.Velocity, new GivenNoise(golden),
            cancellationToken: TestContext.Current.CancellationToken);
        golden.Check("output::latent", latents);
        using WanVae vae = LoadVae(golden);
        golden.Check("output::video01", (vae.Decode(latents, TestContext.Current.CancellationToken).clamp(-1, 1) + 1) / 2);
    }

    /// <summary>The noise of the golden case, step by step.</summary>
    private sealed class GivenNoise(GoldenCase golden) : INoiseSource
    {
        private int _next;

        public Tensor Normal(params long[] shape) => golden.Input("step_noise")[_next++];
    }
}
