using TorchSharp;
using TurboDiffusion.Generation.Media;

namespace TurboDiffusion.Cli.Tests;

/// <summary>Small video files.</summary>
internal static class Videos
{
    /// <summary>Writes a red video of 64×32 pixels at 8 frames per second, and its caption.</summary>
    public static async Task Write(string path, int frames, string? caption)
    {
        await using IFrameSink sink = VideoSink.Open(path, new VideoFormat(64, 32, 8), new VideoMetadata("p", 1, "m", "v"),
            new VideoOptions { Crf = 4 });
        using (torch.Tensor video = torch.tensor(new byte[] { 200, 10, 10 }).expand(frames, 32, 64, 3).contiguous()) sink.Write(video);
        await sink.CompleteAsync();
        if (caption is not null) await File.WriteAllTextAsync(Path.ChangeExtension(path, ".txt"), caption);
    }
}
