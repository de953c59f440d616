using TorchSharp;

namespace TurboDiffusion.Generation.Media;

/// <summary>
/// Resizing with antialiasing: a filter whose support grows with the reduction, rows first and columns then, each rounded to whole levels.
/// </summary>
/// <remarks>
/// Bilinear: what torchvision's <c>Resize(antialias=True)</c> does to a uint8 image: PyTorch,
/// <c>aten/src/ATen/native/cpu/UpSampleKernel.cpp</c>. Lanczos: Pillow, <c>src/libImaging/Resample.c</c>.
/// </remarks>
public static class ImageResize
{
    private const double LanczosRadius = 3;

    /// <summary>Resizes an image with a triangle as the filter.</summary>
    /// <param name="image"><c>[3, H, W]</c>, uint8.</param>
    /// <param name="width">Pixels per row of the result.</param>
    /// <param name="height">Rows of the result.</param>
    /// <returns><c>[3, height, width]</c>, uint8; the caller owns it.</returns>
    public static torch.Tensor Bilinear(torch.Tensor image, int width, int height) => Resize(image, width, height, Triangle, 1);

    /// <summary>Resizes an image with a windowed sinc of three lobes as the filter.</summary>
    /// <param name="image"><c>[3, H, W]</c>, uint8.</param>
    /// <param name="width">Pixels per row of the result.</param>
    /// <param name="height">Rows of the result.</param>
    /// <returns><c>[3, height, width]</c>, uint8; the caller owns it.</returns>
    public static torch.Tensor Lanczos(torch.Tensor image, int width, int height) => Resize(image, width, height, Sinc, LanczosRadius);

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
    internal static torch.Tensor Filter(long inSize, int outSize) => Filter(inSize, outSize, Triangle, 1);

    private static torch.Tensor Resize(torch.Tensor image, int width, int height, Func<double, double> kernel, double radius)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        using var scope = torch.NewDisposeScope();
        torch.Tensor x = Levels(image.to(torch.float32).matmul(Filter(image.size(2), width, kernel, radius).t()));
        return Levels(Filter(image.size(1), height, kernel, radius).matmul(x)).to(torch.uint8).MoveToOuterDisposeScope();
    }

    private static torch.Tensor Filter(long inSize, int outSize, Func<double, double> kernel, double radius)
    {
        double scale = (double)inSize / outSize, stretch = Math.Max(scale, 1), support = radius * stretch;
        var weights = new float[outSize * inSize];
        for (int o = 0; o < outSize; o++)
        {
            double center = scale * (o + 0.5);
            long first = Math.Max((long)(center - support + 0.5), 0), end = Math.Min((long)(center + support + 0.5), inSize);
            Span<float> row = weights.AsSpan(checked((int)(o * inSize)), checked((int)inSize));
            double sum = 0;
            for (long i = first; i < end; i++) sum += kernel((i + 0.5 - center) / stretch);
            for (long i = first; i < end; i++) row[(int)i] = (float)(kernel((i + 0.5 - center) / stretch) / sum);
        }
        return torch.tensor(weights, [outSize, inSize]);
    }

    private static double Triangle(double x) => Math.Max(0, 1 - Math.Abs(x));

    // sinc(x) · sinc(x / 3), for |x| < 3.
    private static double Sinc(double x) => x == 0 ? 1
        : Math.Abs(x) >= LanczosRadius ? 0
        : LanczosRadius * Math.Sin(Math.PI * x) * Math.Sin(Math.PI * x / LanczosRadius) / (Math.PI * Math.PI * x * x);

    private static torch.Tensor Levels(torch.Tensor x) => (x + 0.5).floor_().clamp_(0, 255);
}
