using System.Runtime.InteropServices;
using Microsoft.Extensions.AI;
using SkiaSharp;
using TorchSharp;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Pipelines;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// Turns frames into streaming updates as they are decoded: previews, and all finished frames and each step's prediction where asked for.
/// </summary>
/// <param name="previews">How many previews of each video.</param>
/// <param name="allFrames">Whether every frame is wanted.</param>
/// <param name="steps">Whether a picture of each denoising step's prediction is wanted.</param>
/// <param name="totalFrames">Frames of each video.</param>
/// <param name="yield">Takes the updates.</param>
internal sealed class FrameStream(int previews, bool allFrames, bool steps, int totalFrames, Action<VideoGenerationResponseUpdate> yield)
    : IVideoObserver
{
    private int _next;
    private int _shown;

    public void Preview(ClipPreview preview)
    {
        if (!steps)
            return;

        using var scope = torch.NewDisposeScope();
        var (middle, before) = (preview.FrameCount / 2, 0);
        foreach (var frames in preview.Frames())
        {
            if (before + frames.size(2) > middle)
            {
                var levels = VideoFrames.FromModelOutput(frames.narrow(2, middle - before, 1).squeeze(0));
                yield(new VideoGenerationResponseUpdate([Encode(levels[0], $"step_{preview.Step}.png")])
                {
                    Kind = VideoGenerationResponseUpdateKind.VideoUpdating,
                    Progress = new(StageTelemetry.NameOf(GenerationStage.Denoising), preview.Step, preview.TotalSteps),
                });
                return;
            }

            before += (int)frames.size(2);
            frames.Dispose();
        }
    }

    public void Begin(int video, ulong seed) => (_next, _shown) = (0, 0);

    public void Write(torch.Tensor levels)
    {
        using var scope = torch.NewDisposeScope();
        var finished = new List<AIContent>();
        for (var i = 0; i < levels.size(0); i++, _next++)
        {
            // Previews lie evenly between the first frame and the last.
            var preview = _shown < previews && _next >= (long)_shown * (totalFrames - 1) / Math.Max(1, previews - 1);
            if (!preview && !allFrames)
                continue;

            var image = Encode(levels[i], $"frame_{_next:00000}.png");
            if (allFrames)
                finished.Add(image);
            if (preview)
            {
                _shown++;
                yield(new VideoGenerationResponseUpdate([image]) { Kind = VideoGenerationResponseUpdateKind.VideoUpdating });
            }
        }

        if (allFrames)
            yield(new VideoGenerationResponseUpdate(finished) { Kind = VideoGenerationResponseUpdateKind.FramesUpdated });
    }

    /// <summary>Encodes one frame <c>[H, W, 3]</c>, uint8, as PNG, quickly: the GPU computes the next frames meanwhile.</summary>
    private static DataContent Encode(torch.Tensor frame, string name)
    {
        var (height, width) = ((int)frame.size(0), (int)frame.size(1));
        var opaque = torch.full([height, width, 1], 255, torch.uint8);
        var rgba = torch.cat([frame, opaque], dim: 2);
        var info = new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using var image = SKImage.FromPixelCopy(info, MemoryMarshal.AsBytes(rgba.bytes));
        using var pixels = image.PeekPixels();
        using var png = pixels.Encode(new SKPngEncoderOptions(SKPngEncoderFilterFlags.Up, zLibLevel: 1));
        return new DataContent(png.ToArray(), "image/png") { Name = name };
    }
}
