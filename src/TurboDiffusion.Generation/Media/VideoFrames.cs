using TorchSharp;

namespace TurboDiffusion.Generation.Media;

/// <summary>Decoded video to frames that can be written.</summary>
public static class VideoFrames
{
    /// <summary>Clamps to [−1, 1] and maps to levels 0…255, rounding to the nearest (half up), as the official script does.</summary>
    /// <param name="video"><c>[3, T, H, W]</c> or <c>[B, 3, T, H, W]</c>, any float dtype and device.</param>
    /// <returns><c>[T, H, W, 3]</c> or <c>[B, T, H, W, 3]</c>, uint8, contiguous, on the CPU; the caller owns it.</returns>
    public static torch.Tensor FromModelOutput(torch.Tensor video)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor levels = video.to(torch.float32).clamp(-1, 1).add_(1).mul_(127.5).add_(0.5).floor_().to(torch.uint8);
        return levels.movedim([-4], [-1]).contiguous().cpu().MoveToOuterDisposeScope();
    }
}
