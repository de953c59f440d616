using System.Globalization;
using System.Text.RegularExpressions;
using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.Generation.Planning;

/// <summary>A device that a plan is for.</summary>
/// <param name="Name">Its name, such as <c>RTX 4090</c>.</param>
/// <param name="Bytes">Its memory.</param>
/// <param name="IsGpu">Whether it is a GPU; the CPU otherwise.</param>
public sealed partial record Card(string Name, long Bytes, bool IsGpu = true)
{
    /// <summary>What CUDA's context, its libraries and the display keep for themselves: an assumption.</summary>
    public const long ReservedBytes = 3L << 28;

    private const long GiB = 1L << 30;

    // The memory that their makers state.
    private static readonly (string Name, int GiB)[] Known =
    [
        ("RTX 3060", 12), ("RTX 3080", 10), ("RTX 3090", 24), ("RTX 4060 Ti", 16), ("RTX 4070", 12), ("RTX 4070 Ti SUPER", 16),
        ("RTX 4080", 16), ("RTX 4090", 24), ("RTX 5060 Ti", 16), ("RTX 5070", 12), ("RTX 5070 Ti", 16), ("RTX 5080", 16),
        ("RTX 5090", 32), ("RTX 6000 Ada", 48), ("RTX PRO 6000", 96), ("A10", 24), ("A100", 80), ("L4", 24), ("L40S", 48), ("H100", 80),
        ("H200", 141),
    ];

    // Hopper: their kernels are other ones.
    private static readonly string[] HopperNames = ["H100", "H200", "H800", "H20"];

    /// <summary>Bytes that a generation can have.</summary>
    public long AvailableBytes => IsGpu ? Math.Max(0, Bytes - ReservedBytes) : Bytes;

    /// <summary>Whether it is of the Hopper generation, by its name.</summary>
    public bool IsHopper => IsGpu && HopperNames.Any(name => Name.Contains(name, StringComparison.OrdinalIgnoreCase));

    /// <summary>A card by its name, in any case and with or without spaces; or a GPU of so much memory, as <c>12GB</c>.</summary>
    /// <param name="name">The name.</param>
    /// <exception cref="InvalidRequestException">It is not known.</exception>
    public static Card Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        string plain = Plain(name);
        foreach ((string known, int gib) in Known)
            if (Plain(known) == plain) return new Card(known, gib * GiB);
        Match size = MemorySize().Match(name.Trim());
        if (size.Success && int.TryParse(size.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int gigabytes)
            && gigabytes is >= 1 and <= 4096)
            return new Card($"a GPU of {gigabytes} GiB", gigabytes * GiB);
        throw new InvalidRequestException("card",
            $"The card '{name}' is not known; known are {string.Join(", ", Known.Select(k => k.Name))}. For another one, give its "
                + "memory, such as 12GB.");
    }

    /// <summary>The first GPU of this machine, or else its CPU with the memory that is free.</summary>
    public static Card OfThisMachine() =>
        GpuDevices.Ask().Gpus.OfType<GpuDevice>().FirstOrDefault() is { } gpu ? new Card(gpu.Name, gpu.Bytes) : Cpu();

    /// <summary>This machine's CPU, with the memory that is free.</summary>
    public static Card Cpu() => new("CPU", DeviceMemory.Available(TorchSharp.torch.CPU), IsGpu: false);

    // "NVIDIA GeForce RTX 4090" and "rtx4090" are one.
    private static string Plain(string name) =>
        new([.. Regex.Replace(name, "nvidia|geforce|tesla", "", RegexOptions.IgnoreCase).ToUpperInvariant().Where(char.IsLetterOrDigit)]);

    [GeneratedRegex(@"^(\d{1,4})\s*Gi?B$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex MemorySize();
}
