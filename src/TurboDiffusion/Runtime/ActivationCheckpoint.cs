using static TorchSharp.torch;

namespace TurboDiffusion.Runtime;

/// <summary>
/// Trades time for memory in training: a layer's activations are not kept for the backward pass, but computed again from
/// its inputs when their turn comes.
/// </summary>
/// <remarks>arXiv 1604.06174, section 4.</remarks>
public static class ActivationCheckpoint
{
    /// <summary>Runs a layer; without gradients enabled, just that.</summary>
    /// <param name="layer">
    /// A pure function of its inputs and of parameters. It is called again in the backward pass, maybe on another thread,
    /// so it must not hold on to tensors other than parameters.
    /// </param>
    /// <param name="inputs">
    /// The inputs, at least one; gradients flow to those that ask for one, and to the layer's parameters.
    /// </param>
    /// <returns>The layer's output.</returns>
    public static Tensor Run(Func<Tensor[], Tensor> layer, params Tensor[] inputs)
    {
        if (!is_grad_enabled()) return layer(inputs);
        using var scope = NewDisposeScope();
        // Autograd goes through a function only where an input asks for a gradient; here the parameters alone may.
        if (!inputs.Any(input => input.requires_grad)) inputs = [inputs[0].detach().requires_grad_(true), .. inputs[1..]];
        return Recompute.apply([layer, .. inputs]).MoveToOuterDisposeScope();
    }

    private sealed class Recompute : autograd.SingleTensorFunction<Recompute>
    {
        private const string LayerKey = "layer";

        // The gradients that the last call on this thread gave to autograd, which has taken them over by the next one. On a
        // GPU the thread is autograd's own, with no dispose scope to free them.
        [ThreadStatic]
        private static List<Tensor>? _handedOver;

        public override string Name => nameof(Recompute);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var layer = (Func<Tensor[], Tensor>)vars[0];
            Tensor[] inputs = [.. vars.Skip(1).Cast<Tensor>()];
            ctx.save_data(LayerKey, layer);
            ctx.save_for_backward([.. inputs]);
            return layer(inputs);
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            _handedOver?.ForEach(tensor => tensor?.Dispose());
            using var scope = NewDisposeScope();
            var layer = (Func<Tensor[], Tensor>)ctx.get_data(LayerKey);
            Tensor[] inputs = [.. ctx.get_saved_variables().Select(saved => saved.detach().requires_grad_(saved.requires_grad))];
            using (enable_grad()) layer(inputs).backward([grad_output]);
            // The first argument, the layer, has no gradient.
            return _handedOver = [null!, .. inputs.Select(input => input.grad?.DetachFromDisposeScope()!)];
        }
    }
}
