using TorchSharp;

namespace TurboDiffusion.Cli.Tests;

/// <summary>What a picture shows.</summary>
internal static class Pixels
{
    /// <summary>How many pixels are near a colour.</summary>
    /// <param name="image"><c>[3, H, W]</c>, 0 to 255.</param>
    /// <param name="red">0 to 255.</param>
    /// <param name="green">0 to 255.</param>
    /// <param name="blue">0 to 255.</param>
    public static long Count(torch.Tensor image, int red, int green, int blue)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor distance = (image.to(torch.int32) - torch.tensor(new[] { red, green, blue }).reshape(3, 1, 1)).abs().amax([0]);
        return distance.lt(30).sum().item<long>();
    }
}
