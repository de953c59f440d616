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
}
