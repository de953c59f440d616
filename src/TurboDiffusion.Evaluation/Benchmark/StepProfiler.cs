using TurboDiffusion.Models.Wan;
using static TorchSharp.torch;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>
/// Times the parts of one denoising step: from each value that the model tells of to the next. It asks for none of them, so that
/// what is timed is the step itself.
/// </summary>
internal sealed class StepProfiler : IDisposable
{
    private const string End = "output";

    private readonly DeviceMarks _marks;
    private readonly List<string> _parts = [];

    /// <summary>Creates a profiler.</summary>
    /// <param name="device">Where the model runs.</param>
    public StepProfiler(Device device) => _marks = new DeviceMarks(device);

    /// <summary>Runs one step and times its parts.</summary>
    /// <param name="step">Runs the model's forward pass with the given observer.</param>
    /// <returns>The parts, longest first.</returns>
    public IReadOnlyList<ProfileEntry> Run(Action<Observer> step)
    {
        _marks.Clear();
        _parts.Clear();
        _marks.Add();
        step((name, _) => Mark(Part(name)));
        Mark(End);
        return Sum(_parts, _marks.Intervals());
    }

    /// <summary>Adds the intervals of the same part.</summary>
    /// <param name="parts">The part of each interval.</param>
    /// <param name="milliseconds">Each interval.</param>
    /// <returns>Longest first.</returns>
    internal static IReadOnlyList<ProfileEntry> Sum(IReadOnlyList<string> parts, IReadOnlyList<double> milliseconds)
    {
        double whole = milliseconds.Sum();
        return [.. parts.Zip(milliseconds).GroupBy(p => p.First)
            .Select(g => new ProfileEntry(g.Key, g.Sum(p => p.Second), whole > 0 ? g.Sum(p => p.Second) / whole : 0))
            .OrderByDescending(e => e.Milliseconds)];
    }

    /// <inheritdoc/>
    public void Dispose() => _marks.Dispose();

    // blocks.3.self_attn.q is self_attn.q of every block. What follows a part's last value belongs to the next part.
    private static string Part(string name) => name.Split('.') switch
    {
        ["blocks", _] => "between blocks",
        ["blocks", _, .. string[] inBlock] => string.Join('.', inBlock) switch
        {
            "self_attn.attn_op" => "self_attn: norms, rotation, attention",
            "self_attn" => "self_attn.o, gate, residual",
            "cross_attn.attn_op" => "cross_attn: norm, attention",
            "cross_attn" => "cross_attn.o, residual",
            "ffn.0" => "ffn.0, activation",
            "ffn" => "ffn.2, gate, residual",
            string part => part,
        },
        _ => name,
    };

    private void Mark(string part)
    {
        _marks.Add();
        _parts.Add(part);
    }
}
