using System.Globalization;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models;
using TurboDiffusion.Models.TinyVae;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Tests.Operators;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Models;

/// <summary>The published tiny autoencoders on a GPU: what is decoded, and how long it takes.</summary>
[Trait("Category", "Gpu")]
public class TinyVaeGpuTests
{
    // Of bfloat16, in which both are computed.
    private const double Limit = 0.03;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void The_kernels_decode_what_the_plain_form_does(int patch)
    {
        Device device = KernelConformance.RequireSm90();
        using var scope = NewDisposeScope();
        TinyVaeConfig config = patch == 1 ? TinyVaeConfig.Wan21 : TinyVaeConfig.Wan22;
        using TinyVideoAutoencoder exact = Random(config, ScalarType.Float32, device), vae = Random(config, ScalarType.BFloat16, device);
        Tensor latents = KernelConformance.Random(device, 3, ScalarType.Float32, 1, config.LatentChannels, 6, 18, 20) * 2;
        Tensor truth = exact.DecodeWhole(latents);
        using (KernelSwitch.Use([]))
            Report("plain form", Comparison.RelativeL2(truth, cat([.. vae.DecodeChunks(latents)], 2), Limit, "plain form"));
        using (KernelSwitch.Use(Enum.GetValues<KernelOperator>()))
        {
            Assert.True(Serves(vae, latents));
            Tensor[] chunks = [.. vae.DecodeGroups([latents.narrow(2, 0, 1), latents.narrow(2, 1, 5)])];
            Assert.Equal([1, 4, 4, 4, 4, 4], chunks.Select(c => c.shape[2]));
            Report("kernels", Comparison.RelativeL2(truth, cat(chunks, 2), Limit, "kernels"));
        }

        void Report(string form, double error) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"tiny VAE, patches of {patch}, {form}: relative L2 against float32 {error:G3}"));
    }

    internal static bool Serves(TinyVideoAutoencoder vae, Tensor latents)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        return TinyFrameDecoder.Serves(latents.to_type(ScalarType.BFloat16), vae.Config);
    }

    internal static TinyVideoAutoencoder Random(TinyVaeConfig config, ScalarType dtype, Device device)
    {
        var vae = new TinyVideoAutoencoder(config, new Placement(device, dtype));
        StrictLoader.Load(vae, new RandomCheckpoint(vae, 5) { Device = device }, null, TestContext.Current.CancellationToken);
        return vae;
    }
}
