using TurboDiffusion.Models;
using TurboDiffusion.Models.Vae;

namespace TurboDiffusion.Training.Data;

/// <summary>Clips of the shape world, rendered before training: their number and their size.</summary>
public sealed record WorldOptions
{
    /// <summary>Clips to render.</summary>
    public int Clips { get; init; } = 1000;

    /// <summary>The seed of the first scene; every clip is a scene of its own.</summary>
    public int Seed { get; init; }

    /// <summary>Columns of pixels, a multiple of 16.</summary>
    public int Width { get; init; } = 192;

    /// <summary>Rows of pixels, a multiple of 16.</summary>
    public int Height { get; init; } = 112;

    /// <summary>Frames, 4k + 1.</summary>
    public int Frames { get; init; } = 33;

    /// <exception cref="InvalidRequestException">A number is out of range.</exception>
    internal void Check()
    {
        if (Clips < 1 || Seed < 0 || Width < 64 || Width % VideoSize.Multiple != 0 || Height < 48 || Height % VideoSize.Multiple != 0
            || !VaeConfig.Wan21.Takes(Frames))
            throw new InvalidRequestException("world",
                $"The world is {Clips} clips from seed {Seed} of {Frames} frames of {Width}x{Height}; expected at least one clip, a seed "
                    + "from 0, 4k + 1 frames, and multiples of 16 from 64x48.");
    }
}
