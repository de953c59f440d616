using System.Runtime.InteropServices;
using System.Text;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary>NVIDIA's run-time compiler, libnvrtc, which comes with a CUDA libtorch.</summary>
internal sealed unsafe class Nvrtc
{
    private static readonly string[] Names = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"];
    private static readonly Lazy<Nvrtc?> Loaded = new(Load);

    private readonly delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int> _createProgram;
    private readonly delegate* unmanaged<nint, int, byte**, int> _compileProgram;
    private readonly delegate* unmanaged<nint*, int> _destroyProgram;
    private readonly delegate* unmanaged<nint, nuint*, int> _getCubinSize, _getLogSize;
    private readonly delegate* unmanaged<nint, byte*, int> _getCubin, _getLog;
    private readonly delegate* unmanaged<int, byte*> _getErrorString;

    private Nvrtc(nint library)
    {
        nint Find(string name) => NativeLibrary.GetExport(library, name);
        _createProgram = (delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int>)Find("nvrtcCreateProgram");
        _compileProgram = (delegate* unmanaged<nint, int, byte**, int>)Find("nvrtcCompileProgram");
        _destroyProgram = (delegate* unmanaged<nint*, int>)Find("nvrtcDestroyProgram");
        _getCubinSize = (delegate* unmanaged<nint, nuint*, int>)Find("nvrtcGetCUBINSize");
        _getCubin = (delegate* unmanaged<nint, byte*, int>)Find("nvrtcGetCUBIN");
        _getLogSize = (delegate* unmanaged<nint, nuint*, int>)Find("nvrtcGetProgramLogSize");
        _getLog = (delegate* unmanaged<nint, byte*, int>)Find("nvrtcGetProgramLog");
        _getErrorString = (delegate* unmanaged<int, byte*>)Find("nvrtcGetErrorString");
        int major, minor, count;
        Require(((delegate* unmanaged<int*, int*, int>)Find("nvrtcVersion"))(&major, &minor));
        Version = major * 1000 + minor * 10;
        Require(((delegate* unmanaged<int*, int>)Find("nvrtcGetNumSupportedArchs"))(&count));
        int[] capabilities = new int[count];
        fixed (int* pointer = capabilities) Require(((delegate* unmanaged<int*, int>)Find("nvrtcGetSupportedArchs"))(pointer));
        ComputeCapabilities = capabilities;
    }

    /// <summary>The compiler, or null where there is none.</summary>
    public static Nvrtc? Instance => Loaded.Value;

    /// <summary>13000 for 13.0.</summary>
    public int Version { get; }

    /// <summary>What it compiles for, 90 for 9.0.</summary>
    public IReadOnlyList<int> ComputeCapabilities { get; }

    /// <summary>Compiles a program to machine code.</summary>
    /// <param name="program">The kernel and its constants.</param>
    /// <param name="architecture">Such as <c>sm_90a</c>.</param>
    /// <param name="sources">The source and all that it includes.</param>
    /// <returns>A cubin, and what the compiler said.</returns>
    /// <exception cref="KernelCompilationException">It does not compile.</exception>
    public KernelImage Compile(KernelProgram program, string architecture, IReadOnlyDictionary<string, string> sources)
    {
        string file = KernelSources.File(program.Name);
        string[] headers = [.. sources.Keys.Where(n => n != file)];
        using var strings = new NativeStrings();
        byte** texts = strings.Array(headers.Select(h => sources[h])), names = strings.Array(headers);
        IReadOnlyList<string> options = program.Options(architecture);
        nint handle;
        Require(_createProgram(&handle, strings.One(sources[file]), strings.One(file), headers.Length, texts, names));
        try
        {
            int result = _compileProgram(handle, options.Count, strings.Array(options));
            if (result != 0)
                throw new KernelCompilationException(program.ToString(), architecture, $"{Error(result)}\n{Log(handle)}");
            nuint size;
            Require(_getCubinSize(handle, &size));
            byte[] cubin = new byte[size];
            fixed (byte* pointer = cubin) Require(_getCubin(handle, pointer));
            return new KernelImage(cubin, Log(handle));
        }
        finally
        {
            _ = _destroyProgram(&handle);
        }
    }

    private static Nvrtc? Load()
    {
        foreach (string candidate in Names.Concat(BesideLibTorch()))
        {
            if (!NativeLibrary.TryLoad(candidate, out nint library)) continue;
            try
            {
                return new Nvrtc(library);
            }
            catch (EntryPointNotFoundException)
            {
                // Older than CUDA 11.2, which no libtorch that we run on brings.
            }
        }
        return null;
    }

    // The CUDA packages of libtorch put it, under a decorated name, in their own folder; PyTorch's wheels put it in a
    // package beside torch's.
    private static IEnumerable<string> BesideLibTorch()
    {
        string native = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native");
        IEnumerable<string> folders = [AppContext.BaseDirectory, native];
        if (LibTorch.Folder is { } torch)
        {
            string packages = Path.GetFullPath(Path.Combine(torch, "..", "..", "nvidia"));
            folders = [torch, Path.Combine(packages, "cu13", "lib"), Path.Combine(packages, "cuda_nvrtc", "lib"), .. folders];
        }
        return folders.Where(Directory.Exists).SelectMany(f => Directory.EnumerateFiles(f, "libnvrtc*.so*").Order(StringComparer.Ordinal))
            .Where(f => !Path.GetFileName(f).Contains("builtins", StringComparison.Ordinal)
                && !f.Contains(".alt.", StringComparison.Ordinal));
    }

    private string Log(nint handle)
    {
        nuint size;
        Require(_getLogSize(handle, &size));
        byte[] log = new byte[size];
        fixed (byte* pointer = log) Require(_getLog(handle, pointer));
        return Encoding.UTF8.GetString(log).TrimEnd('\0').Trim();
    }

    private string Error(int result) => Marshal.PtrToStringUTF8((nint)_getErrorString(result)) ?? $"error {result}";

    private void Require(int result)
    {
        if (result != 0) throw new EnvironmentException("nvrtc",
            $"libnvrtc fails: {Error(result)}; set {KernelSwitch.Variable}=off to run without kernels.");
    }

    // UTF-8 copies for the compiler, freed together.
    private sealed class NativeStrings : IDisposable
    {
        private readonly List<nint> _blocks = [];

        public byte* One(string text)
        {
            nint block = Marshal.StringToCoTaskMemUTF8(text);
            _blocks.Add(block);
            return (byte*)block;
        }

        public byte** Array(IEnumerable<string> texts)
        {
            nint[] pointers = [.. texts.Select(t => (nint)One(t))];
            nint block = Marshal.AllocCoTaskMem(Math.Max(pointers.Length, 1) * sizeof(nint));
            _blocks.Add(block);
            Marshal.Copy(pointers, 0, block, pointers.Length);
            return (byte**)block;
        }

        public void Dispose() => _blocks.ForEach(Marshal.FreeCoTaskMem);
    }
}
