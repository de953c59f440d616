using TorchSharp;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Models;
using Xunit;

namespace TurboDiffusion.Tests.Golden;

/// <summary>An image as a frame of a model that crops, by Pillow's Lanczos filter.</summary>
public sealed class ImageFitCase : IGoldenRunner
{
    public string Kind => "image_fit";

    public void Run(GoldenCase golden)
    {
        var size = new VideoSize(golden.Config.GetProperty("width").GetInt32(), golden.Config.GetProperty("height").GetInt32());
        using torch.Tensor frame = ImageFitting.ToModelInput(ImageFit.LanczosCrop, golden.Input("image").to(torch.uint8), size);
        golden.Check("output::image", frame);
        // A level is 2/255; nearly all are the very same.
        using torch.Tensor other = (golden.Output("image") - frame).abs().gt(1e-4).to(torch.float32).mean();
        Assert.True(other.item<float>() < 0.002);
    }
}
