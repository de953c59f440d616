using System.Reflection;
using System.Text.RegularExpressions;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary>The CUDA C++ that the assembly carries: the folder <c>native</c> of the repository.</summary>
internal static partial class KernelSources
{
    private const string Prefix = "native/";

    /// <summary>The names of all kernels.</summary>
    public static IReadOnlyList<string> Kernels { get; } =
        [.. typeof(KernelSources).Assembly.GetManifestResourceNames()
            .Where(n => n.StartsWith(Prefix, StringComparison.Ordinal) && n.EndsWith(".cu", StringComparison.Ordinal))
            .Select(n => n[Prefix.Length..^3]).Order(StringComparer.Ordinal)];

    /// <summary>A kernel's file.</summary>
    /// <param name="kernel">The kernel's name.</param>
    public static string File(string kernel) => kernel + ".cu";

    /// <summary>A kernel's source and everything that it includes, directly or not.</summary>
    /// <param name="kernel">The kernel's name.</param>
    /// <returns>Texts by file name.</returns>
    public static IReadOnlyDictionary<string, string> Closure(string kernel)
    {
        var texts = new Dictionary<string, string>(StringComparer.Ordinal);
        var open = new Queue<string>([File(kernel)]);
        while (open.TryDequeue(out string? file))
        {
            if (texts.ContainsKey(file)) continue;
            texts[file] = Read(file);
            foreach (Match include in Include().Matches(texts[file])) open.Enqueue(include.Groups[1].Value);
        }
        return texts;
    }

    private static string Read(string file)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(Prefix + file)
            ?? throw new InvalidOperationException($"The assembly has no kernel source {file}.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    [GeneratedRegex("""^\s*#\s*include\s+"([^"]+)"\s*$""", RegexOptions.Multiline)]
    private static partial Regex Include();
}
