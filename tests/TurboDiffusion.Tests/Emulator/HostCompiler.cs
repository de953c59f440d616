using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using TurboDiffusion.Runtime.Cuda;
using Xunit;

namespace TurboDiffusion.Tests.Emulator;

/// <summary>
/// Makes libraries of kernels with g++, beside the emulator's own sources (<c>machine/</c>). What was made stays in the program's folder,
/// by a hash of all that goes in.
/// </summary>
internal static partial class HostCompiler
{
    private const string Compiler = "g++", KernelOptimization = "-O1";

    // As CUDA C++ is meant: memory is read as any type.
    private static readonly string[] Options = ["-std=c++17", "-fPIC", "-fvisibility=hidden", "-fno-strict-aliasing", "-pthread",
        "-U_FORTIFY_SOURCE", "-w"];

    private static readonly string Machine = Path.Combine(Repository.Root, "tests", "TurboDiffusion.Tests", "Emulator", "machine");
    private static readonly string Made = Path.Combine(AppContext.BaseDirectory, "emulated");

    private static readonly Lazy<string> MachineHash = new(() => Hash(Directory.GetFiles(Machine).Order(StringComparer.Ordinal)
        .SelectMany(f => new[] { Path.GetFileName(f), File.ReadAllText(f) }).Concat(Options).Append(Run("-dumpfullversion"))));

    // Compiled once, for all kernels; and what their sources begin with, which takes longer than they do.
    private static readonly Lazy<string[]> Objects = new(() => [.. Directory.GetFiles(Machine, "*.cpp").AsParallel().Select(
        source => Make($"{Path.GetFileNameWithoutExtension(source)}-{MachineHash.Value}.o",
            target => Run([.. Options, "-O3", "-c", source, "-o", target])))]);

    private static readonly Lazy<string> Header = new(() => Path.ChangeExtension(Make($"kernels-{MachineHash.Value}.h.gch",
        target => Run([.. Options, KernelOptimization, "-x", "c++-header", Path.Combine(Machine, "ptx_sm90.h"), "-o", target])), null));

    /// <summary>Whether there is a compiler.</summary>
    public static bool IsPresent => Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(p => File.Exists(Path.Combine(p, Compiler)));

    /// <summary>The library of a kernel.</summary>
    /// <param name="program">The kernel and its constants.</param>
    /// <param name="edit">A change of one place of its sources.</param>
    /// <returns>Its path.</returns>
    public static string Build(KernelProgram program, SourceEdit? edit = null)
    {
        Dictionary<string, string> sources = KernelSources.Closure(program.Name).ToDictionary(s => s.Key, s => WithoutAssembly(s.Value));
        if (edit is { } e)
        {
            string file = Assert.Single(sources.Keys, f => sources[f].Contains(e.From, StringComparison.Ordinal));
            sources[file] = sources[file].Replace(e.From, e.To, StringComparison.Ordinal);
        }
        string kernel = sources[KernelSources.File(program.Name)];
        sources["library.cpp"] = $"""
            #include "launch.h"
            #include "{KernelSources.File(program.Name)}"
            EMULATED_KERNEL({program.Name}, ({Bound().Match(kernel).Groups[1].Value}), ({Blocks(kernel)}))
            """;
        string hash = Hash([MachineHash.Value, .. program.Constants.Select(c => c.ToString()),
            .. sources.SelectMany(s => new[] { s.Key, s.Value })]);
        string name = $"{program.Name}-{hash}";
        return Make(name + ".so", target =>
        {
            string folder = Path.Combine(Made, name);
            Directory.CreateDirectory(folder);
            foreach ((string file, string text) in sources) File.WriteAllText(Path.Combine(folder, file), text);
            Run([.. Options, KernelOptimization, "-include", Header.Value, .. program.Constants.Select(c => "-D" + c),
                "-I", Machine, "-I", folder, "-shared", Path.Combine(folder, "library.cpp"), .. Objects.Value, "-o", target]);
        });
    }

    // Functions with inline assembly are left out: the emulator has others of the same names (ptx.h, ptx_sm90.h).
    private static string WithoutAssembly(string source) => Function().Replace(source, f => Assembly().IsMatch(f.Value) ? "" : f.Value);

    private static string Blocks(string kernel) => Cluster().Match(kernel) is { Success: true } match ? match.Groups[1].Value : "1";

    private static string Make(string file, Action<string> make)
    {
        string path = Path.Combine(Made, file), fresh = $"{path}.{Path.GetRandomFileName()}";
        if (File.Exists(path)) return path;
        Directory.CreateDirectory(Made);
        make(fresh);
        File.Move(fresh, path, overwrite: true);
        return path;
    }

    private static string Run(params IEnumerable<string> arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(Compiler, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{Compiler} {string.Join(' ', arguments)}\n{errors.Result}");
        return output;
    }

    private static string Hash(IEnumerable<string> parts) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', parts))))[..16];

    // A function of a header: on one line, or up to the brace that begins a line.
    [GeneratedRegex(@"^(?:template <[^\n]*>\n)?DEVICE (?:[^\n]*\}|[^\n]*\n(?:[^}\n][^\n]*\n|\n)*\})$", RegexOptions.Multiline)]
    private static partial Regex Function();

    [GeneratedRegex(@"\basm\b")]
    private static partial Regex Assembly();

    [GeneratedRegex(@"__launch_bounds__\(([^,)]+)")]
    private static partial Regex Bound();

    [GeneratedRegex(@"__cluster_dims__\(([^,]+), 1, 1\)")]
    private static partial Regex Cluster();
}
