using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace TurboDiffusion.Runtime;

/// <summary>
/// Trades time for memory in training: a layer's activations are not kept for the backward pass, but computed again from
/// its inputs when their turn comes.
/// </summary>
/// <remarks>arXiv 1604.06174, section 4.</remarks>
public static class ActivationCheckpoint
{
    // Of the layers that were run on this thread; autograd may compute them again on another.
    [ThreadStatic]
    private static Failures? _failures;

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
        return Recompute.apply([layer, _failures ??= new Failures(), .. inputs]).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Back-propagates a loss that layers of <see cref="Run"/> have a part in. What goes wrong when one of them is computed again is thrown
    /// from here: an exception cannot pass through autograd's native code, which would wait for ever.
    /// </summary>
    /// <param name="loss">A scalar, computed on this thread.</param>
    public static void Backward(Tensor loss)
    {
        Failures failures = _failures ??= new Failures();
        failures.First = null;
        loss.backward();
        failures.First?.Throw();
    }

    private sealed class Failures
    {
        public ExceptionDispatchInfo? First { get; set; }
    }

    private sealed class Recompute : autograd.SingleTensorFunction<Recompute>
    {
        private const string LayerKey = "layer";
        private const string FailuresKey = "failures";

        // The layer, and where its failures go: they have no gradient.
        private const int Constants = 2;

        // The gradients that the last call on this thread gave to autograd, which has taken them over by the next one. On a
        // GPU the thread is autograd's own, with no dispose scope to free them.
        [ThreadStatic]
        private static List<Tensor>? _handedOver;

        public override string Name => nameof(Recompute);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            var layer = (Func<Tensor[], Tensor>)vars[0];
            Tensor[] inputs = [.. vars.Skip(Constants).Cast<Tensor>()];
            ctx.save_data(LayerKey, layer);
            ctx.save_data(FailuresKey, vars[1]);
            ctx.save_for_backward([.. inputs]);
            return layer(inputs);
        }

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            _handedOver?.ForEach(tensor => tensor?.Dispose());
            using var scope = NewDisposeScope();
            var layer = (Func<Tensor[], Tensor>)ctx.get_data(LayerKey);
            Tensor[] inputs = [.. ctx.get_saved_variables().Select(saved => saved.detach().requires_grad_(saved.requires_grad))];
            try
            {
                using (enable_grad()) layer(inputs).backward([grad_output]);
            }
            catch (Exception e)
            {
                ((Failures)ctx.get_data(FailuresKey)).First ??= ExceptionDispatchInfo.Capture(e);
                return [.. Enumerable.Repeat<Tensor>(null!, Constants + inputs.Length)];
            }
            return _handedOver = [null!, null!, .. inputs.Select(input => input.grad?.DetachFromDisposeScope()!)];
        }
    }
}
