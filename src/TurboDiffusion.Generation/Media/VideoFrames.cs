using TorchSharp;

namespace TurboDiffusion.Generation.Media;

/// <summary>Between the levels of pixels, 0…255, and what models take and give, [−1, 1].</summary>
public static class VideoFrames
{
    /// <summary>Maps levels 0…255 to [−1, 1].</summary>
    /// <param name="levels">Any shape and device, uint8 or whole numbers of a float dtype.</param>
    /// <returns>Float32, of that shape; the caller owns it.</returns>
    public static torch.Tensor ToModelInput(torch.Tensor levels) => levels.to(torch.float32, copy: true).div_(127.5).sub_(1);

    /// <summary>Clamps to [−1, 1] and maps to levels 0…255, rounding to the nearest (half up), as the official script does.</summary>
    /// <param name="video"><c>[3, T, H, W]</c> or <c>[B, 3, T, H, W]</c>, any float dtype and device.</param>
    /// <returns><c>[T, H, W, 3]</c> or <c>[B, T, H, W, 3]</c>, uint8, contiguous, on the CPU; the caller owns it.</returns>
    public static torch.Tensor FromModelOutput(torch.Tensor video)
    {
        using var scope = torch.NewDisposeScope();
        return Levels(video).cpu().MoveToOuterDisposeScope();
    }

    /// <summary>The same, where the video is.</summary>
    /// <param name="video"><c>[3, T, H, W]</c> or <c>[B, 3, T, H, W]</c>, any float dtype and device.</param>
    internal static torch.Tensor Levels(torch.Tensor video)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor levels = video.to(torch.float32).clamp(-1, 1).add_(1).mul_(127.5).add_(0.5).floor_().to(torch.uint8);
        return levels.movedim([-4], [-1]).contiguous().MoveToOuterDisposeScope();
    }
}
