using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Tests.Operators;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Golden;

/// <summary>
/// The autoencoder's golden cases in bfloat16, in which a user's video is decoded: in chunks and whole, on a GPU in kernels.
/// </summary>
public class VaeBfloat16Tests
{
    // Of bfloat16 itself: in another order of sums, up to 0.017 of these random weights, and 47 dB. Pixels lie in [−1, 1].
    private const double RelativeLimit = 0.02, FewestDecibels = 45, Range = 2;

    public static TheoryData<string> Cases => [.. GoldenFixtures.Cases("vae-*")];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Golden_videos_are_reproduced(string path) => Reproduce(path, CPU);

    [Theory]
    [MemberData(nameof(Cases))]
    [Trait("Category", "Gpu")]
    public void Golden_videos_are_reproduced_in_kernels(string path)
    {
        Device device = KernelConformance.RequireGpu();
        using IDisposable kernels = KernelSwitch.Use(Enum.GetValues<KernelOperator>());
        Reproduce(path, device);
    }

    private static void Reproduce(string path, Device device)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var golden = new GoldenCase(path);
        bool shortcuts = golden.Kind == "vae22";
        using var vae = new WanVae(VaeConfig.FromCheckpoint(golden.Weights()), new Placement(device, ScalarType.BFloat16));
        StrictLoader.Load(vae, golden.Weights());
        Tensor video = golden.Input("video").to(device), latents = golden.Output(shortcuts ? "latents" : "latent"),
            decoded = golden.Output("video"), given = (shortcuts ? latents : golden.Input("latent")).to(device);
        Close(latents, vae.Encode(video), "encode");
        Close(latents, vae.EncodeWhole(video), "encode, whole");
        Close(decoded, vae.Decode(given), "decode");
        Close(decoded, vae.DecodeWhole(given), "decode, whole");

        void Close(Tensor expected, Tensor actual, string what)
        {
            what = $"{Path.GetFileName(path)}, {what}";
            double relative = Comparison.RelativeL2(expected, actual, RelativeLimit, what);
            double rms = (relative * relative * expected.to(ScalarType.Float64).square().mean()).sqrt().item<double>();
            double decibels = 20 * Math.Log10(Range / rms);
            Assert.True(decibels >= FewestDecibels, $"{what}: PSNR {decibels:0.0} dB, limit {FewestDecibels}");
        }
    }
}
