using System.Text.Json;
using TorchSharp;
using TurboDiffusion.Generation.Media;
using Xunit;

namespace TurboDiffusion.Tests.Golden;

/// <summary>An image file, decoded, resized and scaled as the image-to-video script does.</summary>
public sealed class ImageResizeRunner : IGoldenRunner
{
    public string Kind => "image_resize";

    public void Run(GoldenCase golden)
    {
        JsonElement config = golden.Config;
        Assert.Equal("bilinear", config.GetProperty("interpolation").GetString());
        Assert.True(config.GetProperty("antialias").GetBoolean());
        string file = Path.Combine(Path.GetDirectoryName(golden.Path)!, "data", config.GetProperty("file").GetString()!);
        using torch.Tensor image = ImageReader.Read(file);
        (int Width, int Height) size = ImageReader.ReadSize(file);
        Assert.Equal([image.shape[2], image.shape[1]], new long[] { size.Width, size.Height });
        using torch.Tensor actual = ImageResize.ToModelInput(image, config.GetProperty("width").GetInt32(),
            config.GetProperty("height").GetInt32());
        using torch.Tensor expected = golden.Output("image");
        using torch.Tensor difference = (expected - actual).abs();
        Comparison.Elementwise(expected, actual, 0, golden.Tolerance.GetProperty("max_abs").GetDouble(), "image");
        double mean = difference.mean().item<float>(), limit = golden.Tolerance.GetProperty("mean_abs").GetDouble();
        Assert.True(mean <= limit, $"image: mean absolute error {mean:G4}, limit {limit}; max {difference.max().item<float>():G4}");
        TestContext.Current.TestOutputHelper?.WriteLine($"mean absolute error {mean:G4}, max {difference.max().item<float>():G4}");
    }
}
