using SkiaSharp;
using TorchSharp;

namespace TurboDiffusion.Cli.Plots;

/// <summary>A caption as a picture, to stand below a clip.</summary>
internal static class CaptionStrip
{
    private const int TextSize = 11, LineHeight = 14, Baseline = 11;

    private static readonly SKColor Paper = SKColors.White, Ink = new(0x22, 0x22, 0x22);

    /// <summary>The lines that a caption takes.</summary>
    /// <param name="text">The caption.</param>
    /// <param name="width">Columns of pixels.</param>
    public static int Lines(string text, int width)
    {
        using var font = new SKFont(PlotFont.Face, TextSize);
        return Broken(text, width, font).Count;
    }

    /// <summary>Draws a caption, broken between words.</summary>
    /// <param name="text">The caption.</param>
    /// <param name="width">Columns of pixels.</param>
    /// <param name="lines">Lines that there is room for, <see cref="Lines"/> or more.</param>
    /// <returns><c>[H, width, 3]</c>, uint8; the caller owns it.</returns>
    public static torch.Tensor Draw(string text, int width, int lines)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(width, lines * LineHeight, SKColorType.Rgba8888, SKAlphaType.Opaque));
        bitmap.Erase(Paper);
        using var canvas = new SKCanvas(bitmap);
        using var font = new SKFont(PlotFont.Face, TextSize);
        using var paint = new SKPaint { Color = Ink, IsAntialias = true };
        List<string> broken = Broken(text, width, font);
        for (int line = 0; line < broken.Count; line++) canvas.DrawText(broken[line], 0, line * LineHeight + Baseline, font, paint);
        canvas.Flush();
        using torch.Tensor rgba = torch.tensor(bitmap.GetPixelSpan().ToArray(), [bitmap.Height, width, 4], torch.uint8);
        using torch.Tensor rgb = rgba.narrow(2, 0, 3);
        return rgb.contiguous();
    }

    private static List<string> Broken(string text, int width, SKFont font)
    {
        var lines = new List<string>();
        string[] words = text.Split(' ');
        for (int next = 0; next < words.Length;)
        {
            string content = words[next++];
            while (next < words.Length && font.MeasureText($"{content} {words[next]}") <= width) content += $" {words[next++]}";
            lines.Add(content);
        }
        return lines;
    }
}
