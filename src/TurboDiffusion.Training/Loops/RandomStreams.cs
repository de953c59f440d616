using TorchSharp;
using TurboDiffusion.Sampling;

namespace TurboDiffusion.Training.Loops;

/// <summary>
/// The random streams of a training run, one for each iteration, drawn where the models are. Nothing but the iteration's
/// number has to be saved for a resume.
/// </summary>
/// <param name="seed">The seed of the run.</param>
/// <param name="device">Where the models are.</param>
internal sealed class RandomStreams(ulong seed, torch.Device device)
{
    /// <summary>Starts the stream of an iteration.</summary>
    /// <param name="iteration">Counted from 0.</param>
    public IRandomSource Of(int iteration)
    {
        ulong mixed = Mix(seed + 0x9E3779B97F4A7C15 * ((ulong)iteration + 1));
        return device.type == DeviceType.CUDA ? new DeviceNoise(mixed, device) : new PhiloxNoise(mixed);
    }

    // The finaliser of SplitMix64: neighbouring iterations get unrelated seeds.
    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
