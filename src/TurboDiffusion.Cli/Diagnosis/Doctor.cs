using System.Globalization;
using System.Runtime.InteropServices;
using TorchSharp;
using TurboDiffusion.Cli.Output;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.Cli.Diagnosis;

/// <summary>Looks at everything that generating a video needs.</summary>
internal static class Doctor
{
    private const long LittleMemory = 4L << 30;
    private const long LittleDisk = 2L << 30;

    /// <summary>Looks at everything.</summary>
    /// <param name="libTorchFolder">The libtorch that the environment names, or null.</param>
    /// <param name="cancelled">Ends it.</param>
    public static IReadOnlyList<Finding> Examine(string? libTorchFolder, CancellationToken cancelled)
    {
        (NativeState? native, string? failure) = NativeProbe.Run(libTorchFolder, cancelled);
        return [OperatingSystemFinding(), DotNet(), Torch(libTorchFolder, native, failure), Device(native), Kernels(native), Memory(),
            FFmpegProgram(), .. Folders()];
    }

    private static Finding OperatingSystemFinding()
    {
        string found =
            $"{RuntimeInformation.OSDescription.Trim()}, {RuntimeInformation.OSArchitecture}, {Environment.ProcessorCount} processors";
        return OperatingSystem.IsLinux() && RuntimeInformation.OSArchitecture == Architecture.X64
            ? Finding.Fine("system", found)
            : new Finding("system", Health.Warning, found,
                "Tested on Linux x64 only; elsewhere bring TorchSharp's libtorch package for the system.");
    }

    private static Finding DotNet() => Finding.Fine(".NET", $"{RuntimeInformation.FrameworkDescription}, {AppContext.BaseDirectory}");

    private static Finding Torch(string? folder, NativeState? native, string? failure)
    {
        string origin = string.IsNullOrEmpty(folder) ? "of the packages" : $"named by {LibTorch.FolderVariable}";
        if (native is { Computes: true })
            return Finding.Fine("libtorch",
                $"{native.TorchVersion} {origin}, computes, "
                    + $"{(native.TorchSeesGpu ? "with CUDA" : "CPU")}, {native.TorchLibrary ?? folder}");
        string remedy = string.IsNullOrEmpty(folder)
            ? "Build the program again on this machine (dotnet build), or name the lib folder of an installed PyTorch with "
            + LibTorch.FolderVariable + "."
            : $"Unset {LibTorch.FolderVariable}, or set it to the lib folder of an installed PyTorch 2.10 or later.";
        return new Finding("libtorch", Health.Broken, $"{origin}: {failure ?? native?.TorchError ?? "it does not load"}", remedy);
    }

    private static Finding Device(NativeState? native)
    {
        if (native is null) return new Finding("GPU", Health.Warning, "not known, because libtorch could not be tried", "See libtorch.");
        if (native.DriverError is { } error)
            return new Finding("GPU", Health.Warning, $"driver for CUDA {native.Driver}; {error}",
                "Look at nvidia-smi. Until then the CPU is used.");
        if (native.Driver is null || native.Gpus.Count == 0)
            return Finding.Fine("GPU", native.Driver is null
                ? "none (no NVIDIA driver); the CPU is used"
                : $"none (driver for CUDA {native.Driver}); the CPU is used");
        string found = $"{string.Join("; ", native.Gpus)}; driver for CUDA {native.Driver}";
        return native.TorchSeesGpu ? Finding.Fine("GPU", found)
            : new Finding("GPU", Health.Warning, $"{found}; this libtorch cannot use it",
            $"Build with -p:TorchBackend=cuda, or name a CUDA PyTorch with {LibTorch.FolderVariable}. Until then the CPU is used.");
    }

    private static Finding Kernels(NativeState? native)
    {
        if (native is null) return new Finding("kernels", Health.Warning, "not known, because libtorch could not be tried",
            "See libtorch.");
        if (native.KernelError is { } error) return new Finding("kernels", Health.Broken, "not known", error);
        string found = string.Join("; ", native.Kernels.GroupBy(e => e.Choice).Select(g =>
            $"{(g.Count() == native.Kernels.Count ? "every operator"
                : string.Join(", ", g.Select(e => e.Operator).Distinct()))}: {g.Key}"));
        return Finding.Fine("kernels", found);
    }

    private static Finding Memory()
    {
        // Not torch.CPU, which would load libtorch.
        long total = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, available = DeviceMemory.Available(new torch.Device(DeviceType.CPU));
        string found = $"{Format.Bytes(available)} free of {Format.Bytes(total)}";
        return available >= LittleMemory ? Finding.Fine("memory", found)
            : new Finding("memory", Health.Warning, found, "Enough for small models; the 1.3B model needs about 16 GiB on the CPU.");
    }

    private static Finding FFmpegProgram()
    {
        try
        {
            FFmpeg ffmpeg = FFmpeg.Locate();
            string found = $"{ffmpeg.Version}, {ffmpeg.Path}";
            var missing = new List<string>();
            foreach (VideoContainer container in Enum.GetValues<VideoContainer>())
            {
                try
                {
                    ffmpeg.Require(container);
                }
                catch (EnvironmentException)
                {
                    missing.Add(container.ToString());
                }
            }
            return missing.Count == 0 ? Finding.Fine("ffmpeg", $"{found}; writes MP4, WebM and GIF")
                : new Finding("ffmpeg", missing.Contains(nameof(VideoContainer.Mp4)) ? Health.Broken : Health.Warning,
                    $"{found}; cannot write {string.Join(", ", missing)}",
                    "Install the ffmpeg of your distribution, which has the encoders libx264 and libvpx-vp9.");
        }
        catch (EnvironmentException e)
        {
            return new Finding("ffmpeg", Health.Broken, "cannot be used", e.Message);
        }
    }

    private static IEnumerable<Finding> Folders()
    {
        yield return Folder("models", ModelLibrary.Folder, Health.Broken,
            $"Make it writable, or name another folder with {ModelLibrary.FolderVariable}.");
        string temporary = Path.GetTempPath();
        // Nobody makes this one. Videos are made without it; the libraries put what they return from memory there.
        const string Remedy = "Name a folder that can be written with TMPDIR.";
        yield return Directory.Exists(temporary) ? Folder("temporary files", temporary, Health.Warning, Remedy)
            : new Finding("temporary files", Health.Warning, $"{temporary} does not exist", Remedy);
    }

    // A folder that is not there yet is made when it is needed: then the nearest one above it counts.
    private static Finding Folder(string subject, string path, Health otherwise, string remedy)
    {
        string nearest = OutputFolder.Nearest(path);
        string found = Directory.Exists(path) ? path : $"{path} (made at its first use)";
        if (OutputFolder.Problem(path) is { } problem)
            return new Finding(subject, otherwise, $"{found} cannot be written: {problem}.", remedy);
        long free = new DriveInfo(nearest).AvailableFreeSpace;
        found = string.Create(CultureInfo.InvariantCulture, $"{found}, {Format.Bytes(free)} free");
        return free >= LittleDisk ? Finding.Fine(subject, found)
            : new Finding(subject, Health.Warning, found, "Free some room on this disk.");
    }
}
