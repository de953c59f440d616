using Microsoft.Extensions.AI;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.Extensions.Tests;

/// <summary>Contents, responses and updates for tests.</summary>
internal static class Videos
{
    public static readonly VideoInfo Info = new(64, 32, 17, 16, Seed: 7);

    public static DataContent Data(params byte[] bytes) =>
        new DataContent(bytes.Length == 0 ? [1, 2, 3] : bytes, "video/mp4").WithVideoInfo(Info);

    public static UriContent File(string path) =>
        new UriContent(new Uri(new Uri(path).AbsoluteUri), "video/mp4").WithVideoInfo(Info);

    public static VideoGenerationResponse Response(params AIContent[] contents) =>
        new(contents.Length == 0 ? [Data()] : [.. contents]) { ResponseId = "response-1", ModelId = "test-model-2" };

    public static VideoGenerationResponseUpdate[] Updates() =>
    [
        new() { Kind = VideoGenerationResponseUpdateKind.Progress, Progress = new("denoise", 1, 4), ResponseId = "response-1" },
        new([new DataContent(new byte[] { 9 }, "image/png")]) { Kind = VideoGenerationResponseUpdateKind.VideoUpdating },
        new([Data()]) { Kind = VideoGenerationResponseUpdateKind.VideoUpdated, ResponseId = "response-1", ModelId = "test-model-2" },
    ];
}
