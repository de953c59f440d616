using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Linear;

/// <summary>
/// What linear layers multiply: an activation <c>[..., in]</c> in their number format, made once by
/// <see cref="LinearLayer.Prepare(Tensor)"/> and shared by all layers of that format with the same input.
/// </summary>
internal abstract record Operand
{
    /// <summary>Leaves its tensors to the dispose scope around the current one.</summary>
    /// <returns>Itself.</returns>
    public abstract Operand MoveToOuterDisposeScope();
}

/// <summary>An operand in float: the activation itself.</summary>
/// <param name="Values"><c>[..., in]</c></param>
internal sealed record FloatOperand(Tensor Values) : Operand
{
    /// <inheritdoc/>
    public override Operand MoveToOuterDisposeScope()
    {
        Values.MoveToOuterDisposeScope();
        return this;
    }
}

/// <summary>An operand in int8 with a scale per block of 128×128: <see cref="BlockInt8"/>.</summary>
/// <param name="Values">int8 <c>[M, in]</c>, the leading axes flattened.</param>
/// <param name="Scales">Float32 <c>[⌈M/128⌉, ⌈in/128⌉]</c>.</param>
/// <param name="Leading">The leading axes, M elements together.</param>
/// <param name="Dtype">The activation's float dtype, in which the layers' outputs are.</param>
internal sealed record Int8Operand(Tensor Values, Tensor Scales, long[] Leading, ScalarType Dtype) : Operand
{
    /// <inheritdoc/>
    public override Operand MoveToOuterDisposeScope()
    {
        Values.MoveToOuterDisposeScope();
        Scales.MoveToOuterDisposeScope();
        return this;
    }
}

/// <summary>
/// An operand in int8 whose gradient is recorded: the activation that the int8 values stand for, and in the backward pass the
/// activation itself, as though it had not been rounded.
/// </summary>
/// <param name="Values">Float <c>[..., in]</c>.</param>
internal sealed record RecordedInt8Operand(Tensor Values) : Operand
{
    /// <inheritdoc/>
    public override Operand MoveToOuterDisposeScope()
    {
        Values.MoveToOuterDisposeScope();
        return this;
    }
}
