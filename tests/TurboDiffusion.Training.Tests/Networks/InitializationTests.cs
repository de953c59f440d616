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

    [Theory]
    [InlineData(4, 10)]
    [InlineData(6, 4)]
    [InlineData(7, 6)]
    public void A_widened_vae_gives_what_it_gave_and_all_new_channels_learn(int width, int decoderWidth)
    {
        using var scope = torch.NewDisposeScope();
        VaeConfig sizes = VaeConfig.WithDim(4);
        using var narrow = new WanVae(sizes, Placement.Cpu);
        var random = new PhiloxNoise(3);
        using (torch.no_grad())
            foreach ((string name, TorchSharp.Modules.Parameter parameter) in narrow.named_parameters())
                parameter.copy_(random.Normal(parameter.shape) * 0.2 + (name.EndsWith("gamma", StringComparison.Ordinal) ? 1 : 0));
        using var wide = new WanVae(sizes.OfWidths(width, decoderWidth), Placement.Cpu);
        VaeWidening.Widen(narrow, wide, random);

        torch.Tensor video = random.Normal([1, 3, 9, 16, 16]);
        using (torch.no_grad())
        {
            Comparison.RelativeL2(narrow.EncodePosterior(video).Mean, wide.EncodePosterior(video).Mean, 1e-4, "mean");
            torch.Tensor latents = random.Normal([1, 16, 3, 2, 2]);
            Comparison.RelativeL2(narrow.DecodeWhole(latents), wide.DecodeWhole(latents), 1e-4, "video");
        }
        foreach (TorchSharp.Modules.Parameter parameter in wide.parameters()) parameter.requires_grad = true;
        // A channel that is not written and one that is not read would stay so for ever: a few steps later none is either.
        for (int step = 0; step < 3; step++)
        {
            wide.zero_grad();
            using var each = torch.NewDisposeScope();
            torch.Tensor again = wide.DecodeWhole(wide.EncodePosterior(video).Mean);
            ((again - video).square().mean() + again.abs().mean()).backward();
            using var noGrad = torch.no_grad();
            foreach ((string _, TorchSharp.Modules.Parameter parameter) in wide.named_parameters())
                if (parameter.grad is { } gradient) parameter.sub_(gradient.sign() * 1e-3);
        }
        foreach ((string name, TorchSharp.Modules.Parameter parameter) in wide.named_parameters())
            if (parameter.grad is { } gradient && parameter.dim() > 1 && name is not ("conv1.weight" or "encoder.head.2.weight"))
                Assert.True(gradient.flatten(1).abs().sum(1).ne(0).all().item<bool>(), $"a channel of {name} does not learn");
    }

    [Fact]
    public void A_vae_is_not_made_narrower()
    {
        using var narrow = new WanVae(VaeConfig.WithDim(4), Placement.Cpu);
        using var wide = new WanVae(VaeConfig.WithDim(6), Placement.Cpu);
        var refused = Assert.Throws<InvalidRequestException>(() => VaeWidening.Widen(wide, narrow, new PhiloxNoise(1)));
        Assert.Contains("channels can only be added", refused.Message, StringComparison.Ordinal);
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
