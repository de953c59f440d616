using System.Runtime.InteropServices;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>How the kernels of sparse-linear attention take q, k and v.</summary>
internal static unsafe class SageOperand
{
    /// <summary>Channels of a head, the only number that the kernels know.</summary>
    public const int HeadDim = 128;

    private const int Vector = 8;

    /// <summary>The name in the sources of the format that q and k are attended to in.</summary>
    /// <param name="element">int8 or bfloat16.</param>
    public static string Element(ScalarType element) => element == ScalarType.Int8 ? "i8" : KernelOperand.Element(element);

    /// <summary>Sizes of a problem.</summary>
    /// <param name="Batch">Sequences.</param>
    /// <param name="Length">Tokens of a sequence.</param>
    /// <param name="Heads">Heads.</param>
    public readonly record struct Size(long Batch, long Length, long Heads)
    {
        /// <summary>Sequences times heads.</summary>
        public long Sequences => Batch * Heads;

        /// <summary>Channels of all heads.</summary>
        public long Width => Heads * HeadDim;

        /// <summary>Blocks of a sequence.</summary>
        /// <param name="block">Tokens of a block.</param>
        public long Blocks(long block) => (Length + block - 1) / block;

        /// <summary>That of a tensor <c>[B, L, H·128]</c>.</summary>
        public static Size Of(Tensor x) => new(x.size(0), x.size(1), x.size(2) / HeadDim);
    }

    /// <summary>
    /// The tensor itself where its tokens are evenly spaced and aligned, as in a part of a wider projection; else a copy.
    /// </summary>
    /// <param name="x"><c>[B, L, H·128]</c></param>
    public static Tensor Rows(Tensor x) => IsRows(x) ? x : x.contiguous();

    /// <summary>q or k as the kernels take it.</summary>
    /// <param name="x">bfloat16 <c>[B, L, H·128]</c>, from <see cref="Rows"/>.</param>
    /// <param name="inverse">Float32 <c>[B, L]</c>: 1 / root mean square; null where x is normalised and rotated.</param>
    /// <param name="weight">bfloat16 <c>[H·128]</c>, or null.</param>
    /// <param name="transform">The rotation; not used where there is no weight.</param>
    public static Tokens Of(Tensor x, Tensor? inverse, Tensor? weight, QueryKeyTransform transform)
    {
        Size size = Size.Of(x);
        void* Table(Tensor table) => KernelOperand.Address(table, ScalarType.Float32, 1, size.Length, 1, HeadDim / 2);
        return new Tokens
        {
            X = Address(x, size),
            Inverse = inverse is null ? null : KernelOperand.Address(inverse, ScalarType.Float32, size.Batch, size.Length),
            Weight = weight is null ? null : KernelOperand.Address(weight, ScalarType.BFloat16, size.Width),
            Cosines = weight is null ? null : Table(transform.Rotary.Cosines),
            Sines = weight is null ? null : Table(transform.Rotary.Sines),
            Stride = (int)x.stride(1),
        };
    }

    /// <summary>The address of a tensor from <see cref="Rows"/>.</summary>
    /// <exception cref="ArgumentException">It is not one, or has another shape.</exception>
    public static void* Address(Tensor x, Size size)
    {
        if (x.dtype != ScalarType.BFloat16 || !KernelDevice.Takes(x.device)
            || !KernelOperand.HasShape(x, size.Batch, size.Length, size.Width))
            throw new ArgumentException(
                $"The attention kernels got {x.dtype} [{string.Join(", ", x.shape)}] on {x.device} where they take BFloat16 "
                    + $"[{size.Batch}, {size.Length}, {size.Width}] on a GPU.", nameof(x));
        if (!IsRows(x))
            throw new ArgumentException("The attention kernels take evenly spaced tokens of neighbouring channels, aligned to "
                + $"{Vector * sizeof(short)} bytes, as SageOperand.Rows gives them; they got strides [{string.Join(", ", x.stride())}].",
                nameof(x));
        return NativeTensor.DataPointer(x);
    }

    private static bool IsRows(Tensor x)
    {
        long tokens = x.stride(1);
        return x.stride(2) == 1 && tokens % Vector == 0 && tokens is > 0 and < int.MaxValue
            && (x.size(0) == 1 || x.stride(0) == x.size(1) * tokens)
            && (long)NativeTensor.DataPointer(x) % (Vector * sizeof(short)) == 0;
    }

    /// <summary>struct Tokens of the sources.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Tokens
    {
        /// <summary>Addresses.</summary>
        public void* X, Inverse, Weight, Cosines, Sines;

        /// <summary>Elements from a token to the next.</summary>
        public int Stride;
    }
}
