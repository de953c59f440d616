using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Pipelines;

public class ImageConditionTests
{
    [Fact]
    public void The_mask_marks_the_first_latent_frame_and_the_latents_are_of_the_image_before_a_black_video()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var vae = new WanVae(VaeConfig.WithDim(2), Placement.Cpu);
        StrictLoader.Load(vae, new RandomCheckpoint(vae, 1));
        Tensor image = randn([3, 16, 24], generator: new Generator(2)).clamp(-1, 1);
        Tensor condition = ImageCondition.Encode(vae, image, 9, CPU);

        Assert.Equal([1, 20, 3, 2, 3], condition.shape);
        Comparison.Exact(ones([1, 4, 1, 2, 3]), condition.narrow(1, 0, 4).narrow(2, 0, 1), "mask of the first latent frame");
        Comparison.Exact(zeros([1, 4, 2, 2, 3]), condition.narrow(1, 0, 4).narrow(2, 1, 2), "mask of the others");
        Tensor video = cat([image.reshape(1, 3, 1, 16, 24), zeros([1, 3, 8, 16, 24])], dim: 2);
        Comparison.Elementwise(vae.EncodeWhole(video), condition.narrow(1, 4, 16), 1e-4, 1e-5, "latents");
    }

    [Fact]
    public void With_a_last_frame_the_mask_marks_it_too_and_the_video_ends_with_it()
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var vae = new WanVae(VaeConfig.WithDim(2), Placement.Cpu);
        StrictLoader.Load(vae, new RandomCheckpoint(vae, 1));
        Tensor first = randn([3, 16, 24], generator: new Generator(2)).clamp(-1, 1), last = first.flip(2);
        Tensor condition = ImageCondition.Encode(vae, first, 9, CPU, last);

        // Frame by frame: the first of nine four times, then the other eight; four to a latent frame.
        Tensor frames = zeros([12]);
        frames.narrow(0, 0, 4).fill_(1);
        frames.narrow(0, 11, 1).fill_(1);
        Comparison.Exact(frames.reshape(3, 4).t().reshape(1, 4, 3, 1, 1).expand(1, 4, 3, 2, 3), condition.narrow(1, 0, 4), "mask");
        Tensor video = cat([first.reshape(1, 3, 1, 16, 24), zeros([1, 3, 7, 16, 24]), last.reshape(1, 3, 1, 16, 24)], dim: 2);
        Comparison.Elementwise(vae.EncodeWhole(video), condition.narrow(1, 4, 16), 1e-4, 1e-5, "latents");
    }
}
