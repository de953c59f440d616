using SkiaSharp;
using TorchSharp;
using TurboDiffusion.Cli.Output;
using TurboDiffusion.Evaluation;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Cli.Plots;

/// <summary>Clips side by side, each above its caption.</summary>
internal static class ContactSheet
{
    private const int Gap = 8, TextSize = 11, LineHeight = 14, Lines = 3;
    private const int Columns = 4, FramesOfStill = 6;

    private static readonly SKColor Paper = SKColors.White, Ink = new(0x22, 0x22, 0x22);

    /// <summary>Refuses a path that cannot be written, before any work.</summary>
    /// <param name="path">A .png file; or a video, .gif, .mp4, .webm or a folder.</param>
    public static void Check(string path)
    {
        if (!IsStill(path)) VideoSink.Check(path, new VideoOptions { Overwrite = true });
        else ResultFile.Check(path);
    }

    /// <summary>Writes a sheet: as a PNG, some frames of each clip in a row; as a video, the clips moving in a grid.</summary>
    /// <param name="path">As for <see cref="Check"/>; replaced if it exists.</param>
    /// <param name="clips">At least one, of one size.</param>
    /// <param name="captions">One for each clip.</param>
    /// <param name="cancellationToken">Leaves nothing behind.</param>
    public static void Write(string path, IReadOnlyList<EvaluatedClip> clips, IReadOnlyList<string> captions, CancellationToken cancellationToken)
    {
        ClipSize size = clips[0].Size;
        if (IsStill(path))
        {
            using SKBitmap sheet = Still(clips, captions);
            using SKData png = sheet.Encode(SKEncodedImageFormat.Png, 100);
            AtomicFile.WriteBytes(path, png.ToArray());
            return;
        }
        SKSizeI area = GridSize(clips.Count, size);
        IFrameSink sink = VideoSink.Open(path, new VideoFormat(area.Width, area.Height, size.FramesPerSecond),
            new VideoMetadata(string.Join("; ", captions), clips[0].Prompt.Seed, "turbodiffusion evaluate", VideoModel.Version),
            new VideoOptions { Overwrite = true }, cancellationToken);
        try
        {
            for (int frame = 0; frame < size.Frames; frame++)
            {
                using SKBitmap grid = Grid(clips, captions, frame, area);
                using torch.Tensor rgba = torch.tensor(grid.GetPixelSpan().ToArray(), [1, area.Height, area.Width, 4], torch.uint8);
                using torch.Tensor rgb = rgba.narrow(3, 0, 3).contiguous();
                sink.Write(rgb);
            }
            sink.CompleteAsync(cancellationToken).GetAwaiter().GetResult();
        }
        finally
        {
            sink.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private static bool IsStill(string path) => path.EndsWith(".png", StringComparison.OrdinalIgnoreCase);

    private static SKBitmap Still(IReadOnlyList<EvaluatedClip> clips, IReadOnlyList<string> captions)
    {
        ClipSize size = clips[0].Size;
        int rowHeight = size.Height + LineHeight + Gap, width = FramesOfStill * (size.Width + Gap) + Gap;
        SKBitmap sheet = Blank(width, clips.Count * rowHeight + Gap);
        using var canvas = new SKCanvas(sheet);
        for (int row = 0; row < clips.Count; row++)
        {
            int y = Gap + row * rowHeight;
            for (int i = 0; i < FramesOfStill; i++)
                DrawFrame(canvas, clips[row], i * (size.Frames - 1) / (FramesOfStill - 1), Gap + i * (size.Width + Gap), y);
            DrawText(canvas, captions[row], Gap, y + size.Height, width - 2 * Gap, 1);
        }
        return sheet;
    }

    private static SKSizeI GridSize(int clips, ClipSize size)
    {
        int columns = Math.Min(Columns, clips), rows = (clips + columns - 1) / columns;
        // Videos have even sizes.
        return new SKSizeI((columns * (size.Width + Gap) + Gap + 1) / 2 * 2, (rows * (size.Height + Lines * LineHeight + Gap) + Gap + 1) / 2 * 2);
    }

    private static SKBitmap Grid(IReadOnlyList<EvaluatedClip> clips, IReadOnlyList<string> captions, int frame, SKSizeI area)
    {
        ClipSize size = clips[0].Size;
        SKBitmap grid = Blank(area.Width, area.Height);
        using var canvas = new SKCanvas(grid);
        for (int i = 0; i < clips.Count; i++)
        {
            int x = Gap + i % Columns * (size.Width + Gap), y = Gap + i / Columns * (size.Height + Lines * LineHeight + Gap);
            DrawFrame(canvas, clips[i], frame, x, y);
            DrawText(canvas, captions[i], x, y + size.Height, size.Width, Lines);
        }
        return grid;
    }

    private static SKBitmap Blank(int width, int height)
    {
        var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        bitmap.Erase(Paper);
        return bitmap;
    }

    private static void DrawFrame(SKCanvas canvas, EvaluatedClip clip, int frame, int x, int y)
    {
        ClipSize size = clip.Size;
        var rgba = new byte[size.Width * size.Height * 4];
        int from = frame * size.Width * size.Height * 3;
        for (int to = 0; to < rgba.Length; to += 4, from += 3)
            (rgba[to], rgba[to + 1], rgba[to + 2], rgba[to + 3]) = (clip.Rgb[from], clip.Rgb[from + 1], clip.Rgb[from + 2], 255);
        using SKImage image = SKImage.FromPixelCopy(new SKImageInfo(size.Width, size.Height, SKColorType.Rgba8888, SKAlphaType.Opaque), rgba);
        canvas.DrawImage(image, x, y);
    }

    private static void DrawText(SKCanvas canvas, string text, int x, int y, int width, int lines)
    {
        using var font = new SKFont(PlotFont.Face, TextSize);
        using var paint = new SKPaint { Color = Ink, IsAntialias = true };
        string[] words = text.Split(' ');
        for (int line = 0, next = 0; line < lines && next < words.Length; line++)
        {
            string content = words[next++];
            while (next < words.Length && font.MeasureText($"{content} {words[next]}") <= width) content += $" {words[next++]}";
            canvas.DrawText(content, x, y + (line + 1) * LineHeight - 3, font, paint);
        }
    }
}
