using System.Globalization;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary>
/// A preprocessor definition of a kernel, <c>NAME=value</c>, of a number, a word, or whether something holds (1 or 0). It becomes text
/// where a kernel is compiled; launches compare it alone.
/// </summary>
internal readonly record struct KernelConstant
{
    private readonly string _name;
    private readonly string? _word;
    private readonly long _number;

    private KernelConstant(string name, long number, string? word = null) => (_name, _number, _word) = (name, number, word);

    public static implicit operator KernelConstant((string Name, int Number) of) => new(of.Name, of.Number);

    public static implicit operator KernelConstant((string Name, long Number) of) => new(of.Name, of.Number);

    public static implicit operator KernelConstant((string Name, bool Holds) of) => new(of.Name, of.Holds ? 1 : 0);

    public static implicit operator KernelConstant((string Name, string Word) of) => new(of.Name, 0, of.Word);

    /// <inheritdoc/>
    public override string ToString() => $"{_name}={_word ?? _number.ToString(CultureInfo.InvariantCulture)}";
}
