using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;

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

    private static readonly Lazy<string?> Problem = new(Look);

    private static string? _folderProblem;

    /// <summary>Makes sure that libtorch can be used, before anything asks TorchSharp for it. Loads it at the first call.</summary>
    /// <exception cref="EnvironmentException">It is not there, or does not load; the message says what to install.</exception>
    public static void Require()
    {
        if (Problem.Value is { } problem) throw new EnvironmentException("libtorch", problem);
    }

    /// <summary>
    /// Sets how libtorch's threads wait, and loads the libraries of <see cref="Folder"/> where the variable is set. Runs when this
    /// assembly is loaded, because TorchSharp picks its libraries at its first use. What fails is told by <see cref="Require"/>.
    /// </summary>
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
                _folderProblem = $"{FolderVariable}={folder} has no {name}. Set it to the lib folder of an installed PyTorch " +
                    "(python3 -c 'import os, torch; print(os.path.join(os.path.dirname(torch.__file__), \"lib\"))') or unset it.";
                return;
            }
            try
            {
                NativeLibrary.Load(path);
            }
            catch (DllNotFoundException e)
            {
                _folderProblem = $"{path} does not load: {e.Message.Trim()} Put the folders of its dependencies on LD_LIBRARY_PATH.";
                return;
            }
        }
    }

    // TorchSharp itself, where it finds no libtorch, looks for it in the packages of the user, copies what it finds, and ends the
    // type initializer of torch: so it is not asked before its library has loaded.
    private static string? Look()
    {
        if (_folderProblem is not null) return _folderProblem;
        Assembly torchSharp = typeof(torch).Assembly;
        NativeLibrary.TryLoad("torch_cpu", torchSharp, null, out _);
        try
        {
            NativeLibrary.Load("LibTorchSharp", torchSharp, null);
            return null;
        }
        catch (DllNotFoundException e)
        {
            string install = $"Add libtorch to the program (dotnet add package libtorch-cpu-{RuntimeInformation.RuntimeIdentifier}), or "
                + $"set {FolderVariable} to the lib folder of an installed PyTorch.";
            if (Folder is not null)
                return $"TorchSharp does not load with the libtorch of {FolderVariable}={Folder}: {FirstLines(e.Message)}";
            string[] names = ["libtorch_cpu.so", "torch_cpu.dll", "libtorch_cpu.dylib"];
            return SearchedFolders().Any(f => names.Any(n => File.Exists(Path.Combine(f, n))))
                ? $"libtorch is there and does not load: {FirstLines(e.Message)} Build the program again on this machine, or set "
                    + $"{FolderVariable} to the lib folder of an installed PyTorch."
                : $"The program has no libtorch, the native library that computes: none is in {AppContext.BaseDirectory} or the folders "
                    + $"of its packages. {install}";
        }
        catch (BadImageFormatException e)
        {
            return $"The program's libtorch is not for this machine ({RuntimeInformation.RuntimeIdentifier}): {FirstLines(e.Message)}";
        }
    }

    private static IEnumerable<string> SearchedFolders() =>
        ((AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string)
            ?.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries) ?? [])
        .Append(AppContext.BaseDirectory);

    // The loader tells every file that it tried.
    private static string FirstLines(string message) => message.Trim() is { Length: > 300 } text
        ? text[..300].ReplaceLineEndings(" ") + " …"
        : message.Trim().ReplaceLineEndings(" ");
}
