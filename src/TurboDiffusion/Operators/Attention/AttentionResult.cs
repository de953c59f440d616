using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>
/// What Hopper's attention kernels leave: results, or the operand of an int8 layer, whose blocks their thread blocks have.
/// </summary>
/// <param name="Values">bfloat16 or int8 <c>[B, L, H, 128]</c></param>
/// <param name="Scales">Of int8 values, float32 <c>[⌈B·L/128⌉, H]</c>; null of bfloat16 ones.</param>
internal readonly record struct AttentionResult(Tensor Values, Tensor? Scales)
{
    /// <summary>Whether the kernels can leave int8: no block of 128 tokens has tokens of two sequences.</summary>
    /// <param name="batch">Sequences.</param>
    /// <param name="length">Tokens of a sequence.</param>
    public static bool CanQuantize(long batch, long length) => batch == 1 || length % BlockInt8.BlockSize == 0;

    /// <summary>Room for one.</summary>
    /// <param name="size">Sizes of the queries.</param>
    /// <param name="int8">Whether it is int8.</param>
    /// <param name="device">Its device.</param>
    public static AttentionResult Empty(SageOperand.Size size, bool int8, Device device)
    {
        if (int8 && !CanQuantize(size.Batch, size.Length))
            throw new ArgumentException($"The attention kernels got {size.Batch} sequences of {size.Length} tokens where int8 results take "
                + $"one, or a multiple of {BlockInt8.BlockSize} tokens.", nameof(size));
        return new(empty([size.Batch, size.Length, size.Heads, SageOperand.HeadDim], int8 ? ScalarType.Int8 : ScalarType.BFloat16, device),
            int8 ? empty([BlockInt8.Blocks(size.Batch * size.Length), size.Heads], ScalarType.Float32, device) : null);
    }

    /// <summary>The constant of the sources.</summary>
    /// <param name="int8">Whether the result is int8.</param>
    public static string Constant(bool int8) => $"RESULT={(int8 ? "i8" : "bf16")}";

    /// <summary>The addresses of values and scales.</summary>
    public unsafe (nint Values, nint Scales) Addresses() => (
        (nint)KernelOperand.Address(Values, Values.dtype, Values.shape),
        Scales is null ? 0 : (nint)KernelOperand.Address(Scales, ScalarType.Float32, Scales.shape));

    /// <summary>As a linear layer multiplies it.</summary>
    /// <param name="layer">The layer, which takes int8 blocks where there are scales.</param>
    public Operand For(LinearLayer layer) => Scales is null
        ? layer.Prepare(Values.flatten(2))
        : new Int8Operand(Values.flatten(2).flatten(0, 1), Scales, [Values.shape[0], Values.shape[1]], ScalarType.BFloat16);

    /// <summary>Leaves its tensors to the dispose scope around the current one.</summary>
    public AttentionResult MoveToOuterDisposeScope()
    {
        Values.MoveToOuterDisposeScope();
        Scales?.MoveToOuterDisposeScope();
        return this;
    }
}
