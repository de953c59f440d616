using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Optimization;

/// <summary>The norm of all gradients together, and clipping by it.</summary>
public static class GradientNorm
{
    /// <summary>The Euclidean norm of all gradients taken as one vector.</summary>
    /// <param name="parameters">Those without a gradient count as zero.</param>
    /// <returns>NaN or infinite where a gradient is.</returns>
    public static double Of(IEnumerable<Parameter> parameters)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        Tensor[] gradients = [.. parameters.Select(p => p.grad).OfType<Tensor>().Select(g => g.flatten())];
        return gradients.Length == 0 ? 0 : cat(gradients).to_type(ScalarType.Float32).norm().to_type(ScalarType.Float64).item<double>();
    }

    /// <summary>Scales all gradients down so that their norm is at most a limit.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="norm">Their norm, from <see cref="Of"/>.</param>
    /// <param name="limit">The limit; 0 leaves the gradients as they are.</param>
    public static void Clip(IEnumerable<Parameter> parameters, double norm, double limit)
    {
        if (limit <= 0 || norm <= limit) return;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        foreach (Parameter parameter in parameters) parameter.grad?.mul_(limit / norm);
    }
}
