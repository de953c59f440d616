using System.Globalization;
using System.Runtime.Intrinsics.X86;
using TorchSharp;

namespace TurboDiffusion.Runtime;

/// <summary>Names of devices.</summary>
public static class Devices
{
    // What is drawn behind a seed is drawn before the next seed.
    private static readonly Lock OfGpus = new();

    /// <summary>The device of a name.</summary>
    /// <param name="name"><c>auto</c> (the first GPU, or the CPU where there is none), <c>cpu</c>, <c>cuda</c> or <c>cuda:1</c>.</param>
    /// <exception cref="InvalidRequestException">The name is none of these.</exception>
    /// <exception cref="EnvironmentException">libtorch is not there, or a GPU was asked for that is not there.</exception>
    public static torch.Device Parse(string name)
    {
        LibTorch.Require();
        string lower = name.Trim().ToLowerInvariant();
        if (lower == "cpu" || lower == "auto" && !torch.cuda.is_available()) return torch.CPU;
        if (lower == "auto") return new torch.Device(DeviceType.CUDA, 0);
        string[] parts = lower.Split(':');
        int index = 0;
        if (parts[0] != "cuda" || parts.Length > 2
            || parts.Length == 2 && !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out index))
            throw new InvalidRequestException("device", $"There is no device '{name}'; choose auto, cpu, cuda or cuda:N.");
        if (!torch.cuda.is_available())
            throw new EnvironmentException("cuda",
                $"The device {name} was asked for, and libtorch sees no GPU. Install the NVIDIA driver and a CUDA libtorch " +
                $"(build with -p:TorchBackend=cuda, or set {LibTorch.FolderVariable}), or choose the device cpu.");
        int count = torch.cuda.device_count();
        return index < count ? new torch.Device(DeviceType.CUDA, index)
            : throw new EnvironmentException("cuda",
                $"The device {name} was asked for, and there {(count == 1 ? "is 1 GPU" : $"are {count} GPUs")}: cuda:0 to "
                    + $"cuda:{count - 1}.");
    }

    /// <summary>Normal values that libtorch draws on a device: of a seed, the same each time.</summary>
    /// <remarks>
    /// TorchSharp makes generators of the CPU alone. A GPU has one for the whole process: nobody else is to draw from it meanwhile.
    /// </remarks>
    /// <param name="device">Where they are made, and stay.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="dtype">A float type.</param>
    /// <param name="shape">The sizes.</param>
    internal static torch.Tensor Normal(torch.Device device, long seed, torch.ScalarType dtype, params long[] shape)
    {
        if (device.type != DeviceType.CUDA)
        {
            using var own = new torch.Generator(unchecked((ulong)seed));
            return torch.randn(shape, dtype, device, generator: own);
        }
        lock (OfGpus)
        {
            torch.cuda.manual_seed_all(seed);
            return torch.randn(shape, dtype, device);
        }
    }

    /// <summary>Waits until a device has done what it was asked for; the CPU always has.</summary>
    /// <param name="device">The device.</param>
    internal static void Synchronize(torch.Device device)
    {
        if (device.type == DeviceType.CUDA) torch.cuda.synchronize(device);
    }

    /// <summary>
    /// The element type that a device computes in best: bfloat16 on a GPU; float32 on the CPU, whose bfloat16 is many times slower.
    /// </summary>
    /// <param name="device">The device.</param>
    public static torch.ScalarType DefaultDtype(torch.Device device) =>
        device.type == DeviceType.CUDA ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32;

    /// <summary>
    /// The element type that a device computes convolutions in best: bfloat16 on a GPU, and on a CPU that multiplies it (AVX512-BF16 or
    /// AMX; libtorch's convolutions there take half the time of float32's); float32 on any other CPU.
    /// </summary>
    /// <param name="device">The device.</param>
    public static torch.ScalarType ConvolutionDtype(torch.Device device) =>
        device.type == DeviceType.CUDA || MultipliesBFloat16() ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32;

    // By Intel's and AMD's manuals, leaf 7: AVX512_BF16 is bit 5 of EAX of the second part, AMX-BF16 bit 22 of EDX of the first. That the
    // system keeps the wide registers too, the runtime has checked.
    private static bool MultipliesBFloat16() => Avx512BW.IsSupported
        && ((X86Base.CpuId(7, 1).Eax & 1 << 5) != 0 || (X86Base.CpuId(7, 0).Edx & 1 << 22) != 0);
}
