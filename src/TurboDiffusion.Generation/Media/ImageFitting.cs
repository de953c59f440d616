using TorchSharp;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Clip;

namespace TurboDiffusion.Generation.Media;

/// <summary>An image as a frame of a video, in each of the ways that models are run with.</summary>
public static class ImageFitting
{
    /// <summary>The size that follows an image: of about an area, with the image's aspect ratio.</summary>
    /// <param name="fit">How the model's authors do it.</param>
    /// <param name="usual">The size that has the area.</param>
    /// <param name="imageWidth">Pixels per row of the image.</param>
    /// <param name="imageHeight">Rows of the image.</param>
    /// <param name="multiple">Of what the sides are multiples.</param>
    public static VideoSize SizeFor(ImageFit fit, VideoSize usual, int imageWidth, int imageHeight, int multiple)
    {
        double area = usual.Area, ratio = (double)imageWidth / imageHeight;
        int Down(double side) => multiple * Math.Max(1, (int)Math.Floor(side / multiple));
        switch (fit)
        {
            case ImageFit.Bicubic:
                return new VideoSize(Down(Math.Sqrt(area * ratio)), Down(Math.Sqrt(area / ratio)));
            case ImageFit.LanczosCrop:
                // One side as it comes and the other with what is left of the area, both ways.
                int width = Down(Math.Sqrt(area * ratio)), height = Down(Math.Sqrt(area / ratio));
                VideoSize widthFirst = new(width, Down(area / width)), heightFirst = new(Down(area / height), height);
                return Distortion(widthFirst) < Distortion(heightFirst) ? widthFirst : heightFirst;
            default:
                return usual.WithAspectOf(imageWidth, imageHeight, multiple);
        }

        double Distortion(VideoSize size)
        {
            double other = (double)size.Width / size.Height;
            return Math.Max(ratio / other, other / ratio);
        }
    }

    /// <summary>An image as the model takes it: brought to the size, and its levels 0…255 mapped to [−1, 1].</summary>
    /// <param name="fit">How the model's authors do it.</param>
    /// <param name="image"><c>[3, H, W]</c>, uint8.</param>
    /// <param name="size">The size of the result.</param>
    /// <returns><c>[3, height, width]</c>, float32; bicubic values may lie a little outside. The caller owns it.</returns>
    public static torch.Tensor ToModelInput(ImageFit fit, torch.Tensor image, VideoSize size)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor result = fit switch
        {
            ImageFit.Bicubic => torch.nn.functional.interpolate(VideoFrames.ToModelInput(image).unsqueeze(0), [size.Height, size.Width],
                mode: torch.InterpolationMode.Bicubic, align_corners: false).squeeze(0),
            ImageFit.LanczosCrop => VideoFrames.ToModelInput(Covering(image, size)),
            _ => ImageResize.ToModelInput(image, size.Width, size.Height),
        };
        return result.MoveToOuterDisposeScope();
    }

    /// <summary>A last frame as it is taken beside a first one: its largest middle part with the first one's aspect ratio.</summary>
    /// <param name="last">The image of the last frame, <c>[3, H, W]</c>.</param>
    /// <param name="first">The image of the first frame, <c>[3, H, W]</c>.</param>
    /// <returns><c>[3, h, w]</c>, all of an image with the same aspect ratio. The caller owns it.</returns>
    /// <remarks>
    /// Wan-Video/Wan2.1, c8a66f3, <c>wan/first_last_frame2video.py</c>, whose text says that a last frame of another size is cropped and
    /// resized to match the first, and which shows the cropped one to the image encoder, too. This is what the text says. What its code
    /// calls has crop width and height exchanged and no resizing, so that it pads with grey instead (open pull request 373; diffusers'
    /// example for the model has the same lines).
    /// </remarks>
    public static torch.Tensor CropToAspectOf(torch.Tensor last, torch.Tensor first)
    {
        ArgumentNullException.ThrowIfNull(last);
        ArgumentNullException.ThrowIfNull(first);
        (long height, long width) = (last.size(1), last.size(2));
        double ratio = (double)first.size(2) / first.size(1);
        long tall = Math.Clamp((long)Math.Round(width / ratio), 1, height), wide = Math.Clamp((long)Math.Round(height * ratio), 1, width);
        using var scope = torch.NewDisposeScope();
        return last.narrow(1, (height - tall) / 2, tall).narrow(2, (width - wide) / 2, wide).MoveToOuterDisposeScope();
    }

    /// <summary>Images as an image encoder sees them: at its size, not fitted to the frame; levels 0…255 mapped to [−1, 1].</summary>
    /// <param name="encoder">The encoder's sizes.</param>
    /// <param name="images">Each <c>[3, H, W]</c>, uint8, of any size.</param>
    /// <returns><c>[N, 3, size, size]</c>, float32; bicubic values may lie a little outside. The caller owns it.</returns>
    /// <remarks>Wan-Video/Wan2.1, <c>wan/image2video.py</c>, which gives the encoder the image before it is fitted to the frame.</remarks>
    public static torch.Tensor ToImageEncoder(ClipConfig encoder, IReadOnlyList<torch.Tensor> images)
    {
        using var scope = torch.NewDisposeScope();
        return torch.cat([.. images.Select(i => ClipVisionEncoder.Resize(VideoFrames.ToModelInput(i).unsqueeze(0), encoder))])
            .MoveToOuterDisposeScope();
    }

    // The middle of the image at the smallest size that covers the frame.
    private static torch.Tensor Covering(torch.Tensor image, VideoSize size)
    {
        (long height, long width) = (image.size(1), image.size(2));
        double scale = Math.Max((double)size.Width / width, (double)size.Height / height);
        int wide = Math.Max(size.Width, (int)Math.Round(width * scale, MidpointRounding.ToEven)),
            tall = Math.Max(size.Height, (int)Math.Round(height * scale, MidpointRounding.ToEven));
        return ImageResize.Lanczos(image, wide, tall).narrow(2, (wide - size.Width) / 2, size.Width)
            .narrow(1, (tall - size.Height) / 2, size.Height);
    }
}
