using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Optimization;

/// <summary>Parameters laid end to end, so that what is done to all of them is done by one kernel.</summary>
/// <param name="parameters">The parameters by name, all on one device.</param>
internal sealed class FlatParameters(IReadOnlyDictionary<string, Parameter> parameters)
{
    /// <summary>The values of all parameters, float32, <c>[N]</c>.</summary>
    public Tensor Values()
    {
        using var scope = NewDisposeScope();
        return cat([.. parameters.Values.Select(p => p.detach().flatten())]).to(ScalarType.Float32, copy: true).MoveToOuterDisposeScope();
    }

    /// <summary>The gradients, float32, in runs of parameters that have one: where a run starts, how long it is, its values.</summary>
    public IEnumerable<(long Start, long Length, Tensor Gradient)> Gradients()
    {
        long position = 0, start = 0;
        var run = new List<Tensor>();
        foreach (Parameter parameter in parameters.Values)
        {
            using Tensor? gradient = parameter.grad;
            if (gradient is not null) run.Add(gradient.flatten());
            else if (run.Count > 0)
            {
                yield return (start, position - start, Join(run));
                run.Clear();
            }
            position += parameter.numel();
            if (run.Count == 0) start = position;
        }
        if (run.Count > 0) yield return (start, position - start, Join(run));
    }

    /// <summary>Writes values into the parameters, in their own types.</summary>
    /// <param name="flat"><c>[N]</c>.</param>
    public void Set(Tensor flat)
    {
        using var scope = NewDisposeScope();
        foreach ((string name, Tensor view) in Views(flat)) parameters[name].copy_(view);
    }

    /// <summary>
    /// The part of each parameter in a flat tensor, in the parameter's shape. Views: they share its memory, and are the caller's.
    /// </summary>
    /// <param name="flat"><c>[N]</c>.</param>
    public IEnumerable<KeyValuePair<string, Tensor>> Views(Tensor flat)
    {
        long position = 0;
        foreach ((string name, Parameter parameter) in parameters)
        {
            long length = parameter.numel();
            using Tensor part = flat.narrow(0, position, length);
            yield return KeyValuePair.Create(name, part.view(parameter.shape));
            position += length;
        }
    }

    private static Tensor Join(List<Tensor> run)
    {
        using var scope = NewDisposeScope();
        Tensor joined = cat(run).to_type(ScalarType.Float32).MoveToOuterDisposeScope();
        foreach (Tensor part in run) part.Dispose();
        return joined;
    }
}
