using System.Security.Cryptography;
using System.Text;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary>One kernel with its constants: what is compiled, cached and loaded as a unit.</summary>
/// <param name="Name">The stem of its source file, and the name of its function.</param>
/// <param name="Constants">Preprocessor definitions, in a fixed order.</param>
internal sealed record KernelProgram(string Name, params KernelConstant[] Constants)
{
    /// <summary>The compiler's options.</summary>
    /// <param name="architecture">Such as <c>sm_90a</c>.</param>
    public IReadOnlyList<string> Options(string architecture) =>
        [$"--gpu-architecture={architecture}", "--std=c++17", .. Constants.Select(c => $"-D{c}")];

    /// <summary>The name in the cache: anything that changes the machine code changes it.</summary>
    /// <param name="architecture">Such as <c>sm_90a</c>.</param>
    /// <param name="compiler">The compiler's version.</param>
    /// <param name="sources">The source and all that it includes, by name.</param>
    public string Key(string architecture, int compiler, IReadOnlyDictionary<string, string> sources)
    {
        var text = new StringBuilder();
        // Lengths keep neighbouring fields apart.
        void Field(string value) => text.Append(value.Length).Append(':').Append(value).Append('\n');
        Field(Name);
        Field(compiler.ToString(System.Globalization.CultureInfo.InvariantCulture));
        foreach (string option in Options(architecture)) Field(option);
        foreach ((string name, string source) in sources.OrderBy(s => s.Key, StringComparer.Ordinal))
        {
            Field(name);
            Field(source);
        }
        return $"{Name}-{architecture}-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())))[..32]}";
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Name}({string.Join(", ", Constants)})";

    /// <inheritdoc/>
    public bool Equals(KernelProgram? other) =>
        other is not null && Name == other.Name && Constants.AsSpan().SequenceEqual(other.Constants);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = default(HashCode);
        hash.Add(Name);
        foreach (KernelConstant constant in Constants) hash.Add(constant);
        return hash.ToHashCode();
    }
}
