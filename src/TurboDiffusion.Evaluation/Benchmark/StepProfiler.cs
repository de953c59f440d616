using TorchSharp;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using static TorchSharp.torch;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>
/// Times the parts of one denoising step: the modules that a block calls, and between them what it computes itself. A part's
/// time is its own, without that of the modules inside it. Where an operator is fused over several modules, its time stands at
/// the part that contains them.
/// </summary>
internal sealed class StepProfiler : IDisposable
{
    private const string Start = "input, patch embedding", Time = "time embedding", Rotary = "rotary tables, first norm",
        Norm1 = "norm1, modulation", Norm3 = "gate, residual", FeedForward = "ffn: norm, activation, gate, residual", Head = "head", End = "output";

    private readonly WanModel _model;
    private readonly DeviceMarks _marks;
    private readonly List<Action> _removals = [];
    private readonly List<string> _parts = [];
    private readonly Stack<string> _within = [];
    private string _between = Start;

    /// <summary>Begins to watch a model's modules.</summary>
    /// <param name="model">The model.</param>
    /// <param name="device">Where it runs.</param>
    public StepProfiler(WanModel model, Device device)
    {
        _model = model;
        _marks = new DeviceMarks(device);
        foreach ((string name, nn.Module module) in model.named_modules())
        {
            // blocks.3.self_attn.q is self_attn.q of every block.
            string[] path = name.Split('.');
            if (path is not ["blocks", _, .. { Length: > 0 } inBlock]) continue;
            string part = string.Join('.', inBlock);
            switch (module)
            {
                case LinearLayer layer:
                    Watch(layer.register_forward_pre_hook((_, x) => Enter(part, x)).remove, layer.register_forward_hook((_, _, y) => Leave(y)).remove);
                    break;
                case RmsNorm norm:
                    Watch(norm.register_forward_pre_hook((_, x) => Enter(part, x)).remove, norm.register_forward_hook((_, _, y) => Leave(y)).remove);
                    break;
                case LayerNorm norm:
                    Watch(norm.register_forward_pre_hook((_, x) => Enter(part, x)).remove, norm.register_forward_hook((_, _, y) => Leave(y)).remove);
                    break;
                case AttentionOperator attention:
                    Watch(attention.register_forward_pre_hook((_, q, k, v) => (Enter(part, q), k, v)).remove,
                        attention.register_forward_hook((_, _, _, _, y) => Leave(y)).remove);
                    break;
                case SelfAttention attention:
                    Watch(attention.register_forward_pre_hook((_, x, rotary) => (Enter($"{part}: norms, rotation (attention, where fused)", x), rotary)).remove,
                        attention.register_forward_hook((_, _, _, y) => Leave(y)).remove);
                    break;
                case CrossAttention attention:
                    Watch(attention.register_forward_pre_hook((_, x, text) => (Enter($"{part}: attention", x), text)).remove,
                        attention.register_forward_hook((_, _, _, y) => Leave(y)).remove);
                    break;
            }
        }
    }

    /// <summary>Runs one step and times its parts.</summary>
    /// <param name="step">Runs the model's forward pass with the given observer.</param>
    /// <returns>The parts, longest first.</returns>
    public IReadOnlyList<ProfileEntry> Run(Action<Action<string, Tensor>> step)
    {
        _marks.Clear();
        _parts.Clear();
        _within.Clear();
        Between(Start);
        step((name, _) => Observe(name));
        _marks.Add();
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
    public void Dispose()
    {
        foreach (Action remove in _removals) remove();
        _marks.Dispose();
    }

    // What the model tells of its progress divides what is in no module.
    private void Observe(string name)
    {
        string[] path = name.Split('.');
        string? between = path switch
        {
            ["patch_embedding"] => Time,
            ["time_projection"] => Rotary,
            ["blocks", _, "self_attn"] => Norm3,
            ["blocks", _, "cross_attn"] => FeedForward,
            ["blocks", { } block] => block == (_model.Config.NumLayers - 1).ToString(System.Globalization.CultureInfo.InvariantCulture) ? Head : Norm1,
            ["head"] => End,
            _ => null,
        };
        if (between is not null) Between(between);
    }

    private void Between(string part)
    {
        _between = part;
        Mark();
    }

    private Tensor Enter(string part, Tensor input)
    {
        _within.Push(part);
        Mark();
        return input;
    }

    private Tensor Leave(Tensor output)
    {
        _within.Pop();
        Mark();
        return output;
    }

    private void Mark()
    {
        _marks.Add();
        _parts.Add(_within.TryPeek(out string? part) ? part : _between);
    }

    private void Watch(params Action[] removals) => _removals.AddRange(removals);
}
