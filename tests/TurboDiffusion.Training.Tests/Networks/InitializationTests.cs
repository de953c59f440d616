using TorchSharp;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using TurboDiffusion.ShapeWorld;
using TurboDiffusion.Tests;
using TurboDiffusion.Training.Networks;
using Xunit;

namespace TurboDiffusion.Training.Tests.Networks;

public class InitializationTests
{
    [Fact]
    public void A_new_vae_makes_a_blurred_copy_of_a_video()
    {
        using var scope = torch.NewDisposeScope();
        using var vae = new WanVae(VaeConfig.WithDim(8), Placement.Cpu);
        WeightInitialization.Initialize(vae, new PhiloxNoise(1));
        byte[] clip = SceneRenderer.Render(SceneSampler.Training(1), 96, 64, 5);
        torch.Tensor video = torch.tensor(clip, torch.ScalarType.Byte).view(5, 64, 96, 3).permute(3, 0, 1,
            2).unsqueeze(0).to_type(torch.ScalarType.Float32) / 127.5 - 1;
        using var noGrad = torch.no_grad();
        torch.Tensor copy = vae.forward(video);
        // What is left of both at an eighth of the size must be the same picture, up to contrast.
        torch.Tensor small = torch.nn.functional.avg_pool2d(video[0].transpose(0, 1), 16).flatten(),
            smallCopy = torch.nn.functional.avg_pool2d(copy[0].transpose(0, 1), 16).flatten();
        float correlation = torch.nn.functional.cosine_similarity((small - small.mean()).unsqueeze(0),
            (smallCopy - smallCopy.mean()).unsqueeze(0)).item<float>();
        Assert.True(correlation > 0.9, $"the copy correlates with the video by {correlation:0.00}");
    }

    [Fact]
    public void A_new_text_encoder_tells_words_apart_and_stays_in_scale()
    {
        using var scope = torch.NewDisposeScope();
        using var encoder = new UMT5Encoder(new UMT5Config(64, 32, 32, 64, 2, 2), Placement.Cpu);
        WeightInitialization.Initialize(encoder, new PhiloxNoise(2));
        torch.Tensor ids = torch.tensor(new long[] { 5, 6, 7, 8 }).unsqueeze(0);
        torch.Tensor hidden = encoder.Hidden(ids, torch.ones_like(ids))[0];
        Assert.InRange(hidden.square().mean().item<float>(), 0.5f, 2f);
        torch.Tensor similar = hidden.matmul(hidden.transpose(0, 1)) / 32;
        Assert.True((similar - torch.diag(similar.diag())).abs().max().item<float>() < 0.8f,
            "different words have nearly the same embedding");
    }
}
