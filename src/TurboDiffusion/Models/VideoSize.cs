using System.Globalization;
using System.Text.RegularExpressions;

namespace TurboDiffusion.Models;

/// <summary>The width and height of a video in pixels, multiples of 16 (the VAE's factor 8 times the patch size 2).</summary>
public sealed partial record VideoSize
{
    /// <summary>Pixels per token on each axis: every size is a multiple of it.</summary>
    public const int Multiple = 16;

    // Upstream: thu-ml/TurboDiffusion aaecff5, rcm/datasets/utils.py, VIDEO_RES_SIZE_INFO.
    private static readonly Dictionary<(string Resolution, string AspectRatio), VideoSize> Presets = new()
    {
        [("480p", "16:9")] = new(832, 480),
        [("480p", "9:16")] = new(480, 832),
        [("480p", "1:1")] = new(640, 640),
        [("480p", "4:3")] = new(640, 480),
        [("480p", "3:4")] = new(480, 640),
        [("720p", "16:9")] = new(1280, 720),
        [("720p", "9:16")] = new(720, 1280),
        [("720p", "1:1")] = new(960, 960),
        [("720p", "4:3")] = new(960, 720),
        [("720p", "3:4")] = new(720, 960),
    };

    /// <summary>Creates a size and checks it.</summary>
    /// <param name="width">Pixels per row.</param>
    /// <param name="height">Rows.</param>
    /// <exception cref="InvalidRequestException">A side is not a positive multiple of 16.</exception>
    public VideoSize(int width, int height)
    {
        Width = Check("width", width);
        Height = Check("height", height);
    }

    /// <summary>Pixels per row.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>Pixels per frame.</summary>
    public long Area => (long)Width * Height;

    /// <summary>The named resolutions: <c>480p</c>, <c>720p</c>.</summary>
    public static IReadOnlyList<string> Resolutions { get; } = [.. Presets.Keys.Select(k => k.Resolution).Distinct()];

    /// <summary>The named aspect ratios, width to height: <c>16:9</c>, <c>9:16</c>, <c>1:1</c>, <c>4:3</c>, <c>3:4</c>.</summary>
    public static IReadOnlyList<string> AspectRatios { get; } = [.. Presets.Keys.Select(k => k.AspectRatio).Distinct()];

    /// <summary>The size that the models were trained at for a resolution and an aspect ratio.</summary>
    /// <param name="resolution">One of <see cref="Resolutions"/>, in any case.</param>
    /// <param name="aspectRatio">One of <see cref="AspectRatios"/>.</param>
    /// <exception cref="InvalidRequestException">There is no such resolution or aspect ratio.</exception>
    public static VideoSize Preset(string resolution, string aspectRatio)
    {
        if (!Resolutions.Contains(resolution, StringComparer.OrdinalIgnoreCase))
            throw new InvalidRequestException("resolution",
                $"The resolution '{resolution}' is unknown; choose one of {string.Join(", ", Resolutions)}.");
        if (!AspectRatios.Contains(aspectRatio))
            throw new InvalidRequestException("aspect ratio",
                $"The aspect ratio '{aspectRatio}' is unknown; choose one of {string.Join(", ", AspectRatios)}.");
        return Presets[(resolution.ToLowerInvariant(), aspectRatio)];
    }

    /// <summary>Reads <c>832x480</c> (width, then height).</summary>
    /// <param name="text">The size.</param>
    /// <exception cref="InvalidRequestException">The text is not a size, or a side is not a multiple of 16.</exception>
    public static VideoSize Parse(string text)
    {
        Match match = SizePattern().Match(text);
        if (match.Success
            && int.TryParse(match.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int width)
            && int.TryParse(match.Groups[2].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int height))
            return new VideoSize(width, height);
        throw new InvalidRequestException("size", $"The size '{text}' is not of the form WIDTHxHEIGHT, such as 832x480.");
    }

    /// <summary>
    /// The size of about this area with the aspect ratio of an image, each side rounded to the nearest multiple of 16
    /// or another number (half to even, as the official script does), and at least that.
    /// </summary>
    /// <param name="imageWidth">Pixels per row of the image.</param>
    /// <param name="imageHeight">Rows of the image.</param>
    /// <param name="multiple">Of what the sides are multiples; itself one of <see cref="Multiple"/>.</param>
    public VideoSize WithAspectOf(int imageWidth, int imageHeight, int multiple = Multiple)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(imageWidth);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(imageHeight);
        double ratio = (double)imageHeight / imageWidth;
        return new VideoSize(Round(Math.Sqrt(Area / ratio)), Round(Math.Sqrt(Area * ratio)));

        int Round(double side) => multiple * Math.Max(1, (int)Math.Round(side / multiple, MidpointRounding.ToEven));
    }

    /// <summary>The size as <c>832x480</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Width}x{Height}");

    private static int Check(string side, int value)
    {
        if (value > 0 && value % Multiple == 0) return value;
        long below = Math.Max(Multiple, value / Multiple * (long)Multiple);
        throw new InvalidRequestException(side,
            string.Create(CultureInfo.InvariantCulture,
                $"The {side} is {value}; it must be a positive multiple of {Multiple}, such as {below} or {below + Multiple}."));
    }

    [GeneratedRegex(@"^\s*(\d+)\s*[xX×]\s*(\d+)\s*$")]
    private static partial Regex SizePattern();
}
