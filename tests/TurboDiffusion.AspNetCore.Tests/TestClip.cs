using System.Diagnostics;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>A video that browsers play: a second of ffmpeg's test picture, 320x192, 16 frames.</summary>
internal static class TestClip
{
    private static readonly Lazy<byte[]> Made = new(() =>
    {
        var path = Path.Combine(Path.GetTempPath(), $"turbodiffusion-{Guid.NewGuid():N}.mp4");
        using (var ffmpeg = Process.Start(
            "ffmpeg", ["-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x192:rate=16:duration=1", "-pix_fmt", "yuv420p", "-movflags",
                "+faststart", path]))
            ffmpeg.WaitForExit();

        var bytes = File.ReadAllBytes(path);
        File.Delete(path);
        return bytes;
    });

    public static byte[] Bytes => Made.Value;
}
