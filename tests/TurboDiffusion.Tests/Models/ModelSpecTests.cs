using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Sampling;
using Xunit;

namespace TurboDiffusion.Tests.Models;

public class ModelSpecTests
{
    /// <summary>
    /// As the official files say: Wan-Video/Wan2.1 9737cba, generate.py; Wan-Video/Wan2.2 42bf4cf, wan/configs/wan_t2v_A14B.py and
    /// wan_i2v_A14B.py; thu-ml/TurboDiffusion aaecff5, turbodiffusion/inference.
    /// </summary>
    [Theory]
    [InlineData("Wan2.1-T2V-1.3B", 1, null, 50, 5, 5, 5, 80, false, 832, 480)]
    [InlineData("Wan2.1-T2V-14B", 1, null, 50, 5, 5, 5, 80, false, 832, 480)]
    [InlineData("Wan2.1-I2V-14B-480P", 1, null, 40, 3, 5, 5, 80, false, 832, 480)]
    [InlineData("Wan2.1-I2V-14B-720P", 1, null, 40, 5, 5, 5, 80, false, 1280, 720)]
    [InlineData("Wan2.1-FLF2V-14B-720P", 1, null, 50, 16, 5, 5, 80, false, 1280, 720)]
    [InlineData("Wan2.2-T2V-A14B", 2, 0.875, 40, 12, 3, 4, 80, false, 1280, 720)]
    [InlineData("Wan2.2-I2V-A14B", 2, 0.9, 40, 5, 3.5, 3.5, 200, true, 1280, 720)]
    public void A_models_settings_are_the_published_ones(
        string name, int experts, double? boundary, int steps, double shift, double low, double high, double sigmaMax, bool ode,
        int width, int height)
    {
        ModelSpec spec = ModelSpec.Find(name.ToLowerInvariant());
        Assert.Equal((name, experts, boundary), (spec.Name, spec.Experts, spec.Boundary));
        Assert.Equal((81, 16, 512, VaeConfig.Wan21), (spec.Frames, spec.FramesPerSecond, spec.TextLength, spec.Vae));
        Assert.Equal(new VideoSize(width, height), spec.Size);
        Assert.Equal((SamplerKind.UniPc, new GuidanceScale(low, high)), (spec.Sampling.Sampler, spec.Sampling.GuidanceScale));
        foreach (SamplerKind kind in (SamplerKind[])[SamplerKind.UniPc, SamplerKind.Euler])
            Assert.Equal((kind, steps, shift, false),
                (spec.Sampling.Of(kind).Kind, spec.Sampling.Of(kind).Steps, spec.Sampling.Of(kind).Shift, spec.Sampling.Of(kind).Ode));
        // TurboDiffusion's script resizes the image in another way than the originals' do.
        bool takesImage = spec.Transformer.TakesImage;
        Assert.Equal((takesImage ? ImageFit.Bicubic : ImageFit.Bilinear, ImageFit.Bilinear), (spec.ImageFit, spec.Distilled().ImageFit));
        SamplerOptions rcm = spec.Sampling.Of(SamplerKind.Rcm);
        Assert.Equal((SamplerKind.Rcm, 4, sigmaMax, ode), (rcm.Kind, rcm.Steps, rcm.SigmaMax, rcm.Ode));
        Assert.Equal((SamplerKind.Rcm, GuidanceScale.None), (spec.Distilled().Sampling.Sampler, spec.Distilled().Sampling.GuidanceScale));
        foreach (SamplerKind kind in Enum.GetValues<SamplerKind>()) Assert.NotEmpty(spec.Sampling.Of(kind).Create().Timesteps);
    }

    /// <summary>lightx2v's 4-step LoRAs: Euler over 1000, 750, 500, 250 warped by a shift of 5, two steps an expert, no guidance.</summary>
    [Theory]
    [InlineData("Wan2.2-T2V-A14B")]
    [InlineData("Wan2.2-I2V-A14B")]
    [InlineData("Wan2.1-T2V-14B")]
    public void A_step_distilled_model_takes_four_steps_two_for_each_expert(string name)
    {
        ModelSpec spec = ModelSpec.Find(name).StepDistilled();
        Assert.Equal((SamplerKind.Euler, 4, 5.0, GuidanceScale.None),
            (spec.Sampling.Sampler, spec.Sampling.FlowSteps, spec.Sampling.Shift, spec.Sampling.GuidanceScale));
        double[] times = [.. spec.Sampling.Of(SamplerKind.Euler).Create().Timesteps],
            expected = [.. ((double[])[1, 0.75, 0.5, 0.25]).Select(t => 1000 * 5 * t / (1 + 4 * t))];
        Assert.Equal(4, times.Length);
        for (int i = 0; i < 4; i++) Assert.Equal(expected[i], times[i], 1e-3);
        Assert.Equal(spec.Experts == 1 ? [0, 0, 0, 0] : [0, 0, 1, 1],
            times.Select(t => Denoiser.ExpertFor(t / 1000, spec.Boundary ?? 0, spec.Experts)));
    }

    [Fact]
    public void The_model_of_5_billion_has_its_own_autoencoder_length_and_rate()
    {
        ModelSpec spec = ModelSpec.Find("wan2.2-ti2v-5b");
        Assert.Equal((VaeConfig.Wan22, 121, 24, new VideoSize(1280, 704)), (spec.Vae, spec.Frames, spec.FramesPerSecond, spec.Size));
        Assert.Equal([1, 48, 31, 44, 80], spec.Vae.LatentShape(1, spec.Frames, spec.Size.Height, spec.Size.Width));
        Assert.Equal(ImageFit.LanczosCrop, spec.ImageFit);
        Assert.Equal((50, 5.0, new GuidanceScale(5, 5)), (spec.Sampling.FlowSteps, spec.Sampling.Shift, spec.Sampling.GuidanceScale));
    }

    [Fact]
    public void Two_experts_tell_the_text_to_video_models_of_14_billion_apart()
    {
        foreach (ModelSpec spec in ModelSpec.All.Where(s => s != ModelSpec.I2V14B720))
            Assert.Same(spec, ModelSpec.Of(spec.Transformer, spec.Experts));
        Assert.Same(ModelSpec.T2V14B, ModelSpec.Of(ModelSpec.T2VA14B.Transformer, 1));
        Assert.Equal(["Wan2.1-T2V-14B", "Wan2.2-T2V-A14B"], ModelSpec.Candidates(ModelSpec.T2V14B.Transformer).Select(s => s.Name));
    }

    [Theory]
    [InlineData(48, 1, "Wan2.2-TI2V-5B", 48)]
    [InlineData(16, 1, "Wan2.1-T2V-1.3B")]
    [InlineData(16, 2, "Wan2.2-T2V-A14B")]
    [InlineData(36, 1, "Wan2.2-I2V-A14B")]
    [InlineData(36, 2, "Wan2.2-I2V-A14B")]
    [InlineData(36, 1, "Wan2.1-I2V-14B-480P", 16, 32, 0)]
    [InlineData(36, 1, "Wan2.1-FLF2V-14B-720P", 16, 32, 10)]
    public void A_model_of_its_own_size_is_run_as_the_published_one_that_does_the_same(int inDim, int experts, string like, int outDim = 16,
        int imageDim = 0, int imagePositions = 0)
    {
        var config = new WanConfig(64, 128, 2, 1, inDim, outDim, imageDim: imageDim, imagePositions: imagePositions);
        ModelSpec spec = ModelSpec.Of(config, experts);
        Assert.Equal((ModelSpec.Custom, config, experts), (spec.Name, spec.Transformer, spec.Experts));
        Assert.Equal(ModelSpec.Find(like).Sampling, spec.Sampling);
    }

    [Fact]
    public void An_unknown_name_is_refused_with_the_known_ones()
    {
        InvalidRequestException error = Assert.Throws<InvalidRequestException>(() => ModelSpec.Find("Wan3"));
        Assert.All(ModelSpec.All, s => Assert.Contains(s.Name, error.Message));
    }

    [Fact]
    public void A_description_replaces_what_it_gives_and_nothing_else()
    {
        ModelSpec published = ModelSpec.T2VA14B;
        Assert.Equal(published, new GenerationDefaults().Over(published));
        ModelSpec own = new GenerationDefaults
        {
            Width = 192, Height = 112, Frames = 17, Steps = 16, Shift = 3, GuidanceScale = 2, Boundary = 0.8, TextLength = 48,
        }.Over(published);
        Assert.Equal((new VideoSize(192, 112), 17, 16, 0.8, 48), (own.Size, own.Frames, own.FramesPerSecond, own.Boundary, own.TextLength));
        Assert.Equal(published.Sampling with { FlowSteps = 16, Shift = 3, GuidanceScale = 2 }, own.Sampling);
        Assert.Equal(new VideoSize(1280, 112), new GenerationDefaults { Height = 112 }.Over(published).Size);
        Assert.Equal(2, new GenerationDefaults { Steps = 2 }.Over(published.Distilled()).Sampling.RcmSteps);
        Assert.Null(new GenerationDefaults { Boundary = 0.8 }.Over(ModelSpec.T2V14B).Boundary);
        Assert.Throws<InvalidRequestException>(() => new GenerationDefaults { Width = 100 }.Over(published));
    }
}
