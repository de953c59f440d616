using TorchSharp;

namespace TurboDiffusion.Generation.Media;

/// <summary>
/// Bilinear resizing with antialiasing: a triangle filter whose support grows with the reduction, rows first and columns
/// then, each rounded to whole levels.
/// </summary>
/// <remarks>
/// What torchvision's <c>Resize(antialias=True)</c> does to a uint8 image: PyTorch, <c>aten/src/ATen/native/cpu/UpSampleKernel.cpp</c>.
/// </remarks>
public static class ImageResize
{
    /// <summary>Resizes an image.</summary>
    /// <param name="image"><c>[3, H, W]</c>, uint8.</param>
    /// <param name="width">Pixels per row of the result.</param>
    /// <param name="height">Rows of the result.</param>
    /// <returns><c>[3, height, width]</c>, uint8; the caller owns it.</returns>
    public static torch.Tensor Bilinear(torch.Tensor image, int width, int height)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        using var scope = torch.NewDisposeScope();
        torch.Tensor x = Levels(image.to(torch.float32).matmul(Filter(image.shape[2], width).t()));
        return Levels(Filter(image.shape[1], height).matmul(x)).to(torch.uint8).MoveToOuterDisposeScope();
    }

    /// <summary>An image as the model takes it: resized, and its levels 0…255 mapped to [−1, 1].</summary>
    /// <param name="image"><c>[3, H, W]</c>, uint8.</param>
    /// <param name="width">Pixels per row of the result.</param>
    /// <param name="height">Rows of the result.</param>
    /// <returns><c>[3, height, width]</c>, float32; the caller owns it.</returns>
    public static torch.Tensor ToModelInput(torch.Tensor image, int width, int height)
    {
        using var scope = torch.NewDisposeScope();
        return VideoFrames.ToModelInput(Bilinear(image, width, height)).MoveToOuterDisposeScope();
    }

    /// <summary>The weights of every input pixel in every output pixel of one axis, <c>[outSize, inSize]</c>.</summary>
    internal static torch.Tensor Filter(long inSize, int outSize)
    {
        double scale = (double)inSize / outSize, support = Math.Max(scale, 1);
        var weights = new float[outSize * inSize];
        for (int o = 0; o < outSize; o++)
        {
            double center = scale * (o + 0.5);
            long first = Math.Max((long)(center - support + 0.5), 0), end = Math.Min((long)(center + support + 0.5), inSize);
            Span<float> row = weights.AsSpan(checked((int)(o * inSize)), checked((int)inSize));
            double sum = 0;
            for (long i = first; i < end; i++) sum += Triangle((i + 0.5 - center) / support);
            for (long i = first; i < end; i++) row[(int)i] = (float)(Triangle((i + 0.5 - center) / support) / sum);
        }
        return torch.tensor(weights, [outSize, inSize]);
    }

    private static double Triangle(double x) => Math.Max(0, 1 - Math.Abs(x));

    private static torch.Tensor Levels(torch.Tensor x) => (x + 0.5).floor_().clamp_(0, 255);
}
