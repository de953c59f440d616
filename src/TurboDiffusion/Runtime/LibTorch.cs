using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace TurboDiffusion.Runtime;

/// <summary>
/// Which native libtorch the process uses. By default the one that the application's packages brought. With the
/// environment variable <c>TURBODIFFUSION_LIBTORCH</c> set to the <c>lib</c> folder of an installed PyTorch, that one:
/// its libraries are loaded first, so that TorchSharp binds to them by name.
/// </summary>
public static class LibTorch
{
    /// <summary>The environment variable that names a libtorch folder.</summary>
    public const string FolderVariable = "TURBODIFFUSION_LIBTORCH";

    // In the order of their dependencies; the CUDA ones are absent from a CPU build.
    private static readonly string[] Libraries =
        ["libc10.so", "libtorch_cpu.so", "libc10_cuda.so", "libtorch_cuda.so", "libtorch.so"];

    /// <summary>The folder given by <see cref="FolderVariable"/>, or null where the packages' libtorch is used.</summary>
    public static string? Folder => Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } f ? f : null;

    /// <summary>
    /// Sets how libtorch's threads wait, and loads the libraries of <see cref="Folder"/> where the variable is set. Runs when this
    /// assembly is loaded, because TorchSharp picks its libraries at its first use.
    /// </summary>
    /// <exception cref="EnvironmentException">The folder, or a library that must be in it, cannot be loaded.</exception>
#pragma warning disable CA2255 // A library's module initializer: TorchSharp offers no later point to choose its libtorch.
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void Preload()
    {
        OpenMP.LetWaitingThreadsSleep();
        if (Folder is not { } folder) return;
        foreach (string name in Libraries)
        {
            string path = Path.Combine(folder, name);
            if (!File.Exists(path))
            {
                if (name.Contains("cuda", StringComparison.Ordinal)) continue;
                throw new EnvironmentException("libtorch",
                    $"{FolderVariable}={folder} has no {name}. Set it to the lib folder of an installed PyTorch " +
                    "(python3 -c 'import os, torch; print(os.path.join(os.path.dirname(torch.__file__), \"lib\"))') or unset it.");
            }
            try
            {
                NativeLibrary.Load(path);
            }
            catch (DllNotFoundException e)
            {
                throw new EnvironmentException("libtorch",
                    $"{path} does not load: {e.Message.Trim()} Put the folders of its dependencies on LD_LIBRARY_PATH.", e);
            }
        }
    }
}
