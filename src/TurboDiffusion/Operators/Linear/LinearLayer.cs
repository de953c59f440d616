using TurboDiffusion.Operators.Normalization;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Linear;

/// <summary>
/// A linear map of the last axis, <c>[..., in] → [..., out]</c>, in whichever number format its weights are:
/// <see cref="FloatLinear"/>, <see cref="Int8Linear"/> or <see cref="Int8WeightLinear"/>. The layer knows its
/// format; whoever uses it does not.
/// </summary>
public abstract class LinearLayer : nn.Module<Tensor, Tensor>
{
    /// <summary>Creates the layer.</summary>
    /// <param name="inFeatures">Size of the last axis of the input.</param>
    /// <param name="outFeatures">Size of the last axis of the output.</param>
    private protected LinearLayer(long inFeatures, long outFeatures)
        : base(nameof(LinearLayer))
    {
        InFeatures = inFeatures;
        OutFeatures = outFeatures;
    }

    /// <summary>Size of the last axis of the input.</summary>
    public long InFeatures { get; }

    /// <summary>Size of the last axis of the output.</summary>
    public long OutFeatures { get; }

    /// <summary>What is trained beside the weights, which are then W + α/rank · B·A for every product; null: nothing.</summary>
    public LowRankFactors? Factors { get; private set; }

    /// <summary>
    /// Adds factors of low rank to a layer that has its weights. They are parameters of its: <c>lora_down.weight</c> and
    /// <c>lora_up.weight</c>.
    /// </summary>
    /// <param name="rank">Their rank, at least 1.</param>
    /// <param name="alpha">α: what the change is multiplied by, times the rank.</param>
    /// <returns>The factors, without values yet.</returns>
    /// <exception cref="InvalidOperationException">The layer has factors.</exception>
    public LowRankFactors AddFactors(int rank, double alpha)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        if (Factors is not null) throw new InvalidOperationException("The layer has low-rank factors; a layer has one pair.");
        Factors = new LowRankFactors(this, rank, alpha, parameters().First().device);
        register_module(LowRankFactors.DownName, Factors.Down);
        register_module(LowRankFactors.UpName, Factors.Up);
        return Factors;
    }

    /// <summary>x·Wᵀ + b.</summary>
    /// <param name="input"><c>[..., in]</c></param>
    /// <returns><c>[..., out]</c> in the input's dtype.</returns>
    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        return Multiply(Prepare(input)).MoveToOuterDisposeScope();
    }

    /// <summary>An input in the layer's number format. It serves every layer of the same format and input size.</summary>
    /// <param name="x"><c>[..., in]</c></param>
    internal abstract Operand Prepare(Tensor x);

    /// <summary>The same of normalised hidden states.</summary>
    /// <param name="x"><c>[B, L, in]</c></param>
    /// <param name="norm">The normalisation.</param>
    internal abstract Operand Prepare(Tensor x, Norm norm);

    /// <summary>x·Wᵀ + b.</summary>
    /// <param name="x">From <see cref="Prepare(Tensor)"/>.</param>
    /// <returns><c>[..., out]</c></returns>
    internal abstract Tensor Multiply(Operand x);

    /// <summary>GELU(x·Wᵀ + b), tanh form, as the next layer of the same format multiplies it.</summary>
    /// <param name="x">From <see cref="Prepare(Tensor)"/>.</param>
    internal virtual Operand MultiplyGelu(Operand x)
    {
        using var scope = NewDisposeScope();
        return Prepare(Gelu.Tanh(Multiply(x))).MoveToOuterDisposeScope();
    }

    /// <summary>residual + gate·(x·Wᵀ + b).</summary>
    /// <param name="x">From <see cref="Prepare(Tensor)"/>.</param>
    /// <param name="residual"><c>[B, L, out]</c></param>
    /// <param name="gate">Float32 <c>[B, 1, out]</c> or <c>[B, L, out]</c>, or null for 1.</param>
    /// <returns><c>[B, L, out]</c></returns>
    internal virtual Tensor MultiplyAdd(Operand x, Tensor residual, Tensor? gate = null)
    {
        using var scope = NewDisposeScope();
        Tensor product = Multiply(x);
        return (gate is null ? residual + product : residual.addcmul(product, gate.to_type(residual.dtype), 1)).MoveToOuterDisposeScope();
    }

    // An operand of another format is an error of the program, not of its input.
    private protected T Of<T>(Operand x)
        where T : Operand =>
        x as T ?? throw new ArgumentException(
            $"{GetType().Name} got a {x.GetType().Name}; prepare the input with a layer of the same format.", nameof(x));
}
