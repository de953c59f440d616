using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Normalization;

/// <summary>
/// <see cref="CausalRmsSilu"/> on the CPU in one pass over memory, where libtorch's operators make a dozen: a few pixels at a time, whose
/// values stay in the first cache between norm, SiLU and the places that they go to.
/// </summary>
internal static unsafe class CausalRmsSiluCpu
{
    // Values of the pixels that are worked on together.
    private const int BlockValues = 2048;

    // A task of fewer blocks than this costs more than it saves.
    private const int TaskBlocks = 8;

    /// <summary>Whether it runs: on the CPU, where no gradients are recorded, for a number of channels that makes whole vectors.</summary>
    /// <param name="x">As for <see cref="Run"/>.</param>
    public static bool Takes(Tensor x) =>
        x.device_type == DeviceType.CPU && !is_grad_enabled() && KernelSwitch.Allows(KernelOperator.CausalRmsSilu)
        && KernelOperand.IsElement(x.dtype) && x.size(3) % Vector128<float>.Count == 0 && x.size(3) is > 0 and <= BlockValues
        && x.numel() > 0;

    /// <summary>Runs it.</summary>
    /// <param name="x">float32 or bfloat16 <c>[T, H, W, C]</c>, contiguous.</param>
    /// <param name="gamma">Float32 <c>[C]</c>, √C in it.</param>
    /// <param name="bias">Float32 <c>[C]</c>, added to x first; or null.</param>
    /// <param name="past">As x with two frames: the last two frames of the chunk before, normalised; null: zeros.</param>
    /// <returns><c>[T, H, W, 3·C]</c> in x's dtype, and what the next chunk takes as past.</returns>
    public static (Tensor Windows, Tensor Past) Run(Tensor x, Tensor gamma, Tensor? bias, Tensor? past)
    {
        using var scope = NewDisposeScope();
        long frames = x.size(0), pixels = x.size(1) * x.size(2), channels = x.size(3);
        Tensor before = past ?? zeros([2, x.size(1), x.size(2), channels], x.dtype, x.device),
            windows = empty([frames, x.size(1), x.size(2), 3 * channels], x.dtype, x.device), next = empty_like(before);
        var pass = new Pass(Address(x, x.dtype, x.numel()), (float*)Address(gamma, ScalarType.Float32, channels),
            bias is null ? null : (float*)Address(bias, ScalarType.Float32, channels), Address(windows, x.dtype, 3 * x.numel()),
            Address(next, x.dtype, before.numel()), frames, pixels, (int)channels, x.dtype == ScalarType.BFloat16);
        long perBlock = BlockValues / channels, perTask = TaskBlocks * perBlock, tasks = (pixels + perTask - 1) / perTask;
        byte* old = Address(before, x.dtype, 2 * pixels * channels);
        Parallel.For(0, tasks, new ParallelOptions { MaxDegreeOfParallelism = get_num_threads() }, task =>
        {
            for (long first = task * perTask; first < Math.Min((task + 1) * perTask, pixels); first += perBlock)
            {
                int count = (int)Math.Min(perBlock, pixels - first);
                for (int frame = -2; frame < 0; frame++) pass.Place(old + (frame + 2) * pixels * pass.PixelBytes, frame, first, count);
                for (int frame = 0; frame < frames; frame++) pass.Normalise(frame, first, count);
            }
        });
        return (windows.MoveToOuterDisposeScope(), next.MoveToOuterDisposeScope());
    }

    private static byte* Address(Tensor tensor, ScalarType dtype, long values) =>
        tensor.dtype == dtype && tensor.numel() == values && tensor.is_contiguous() && tensor.device_type == DeviceType.CPU
            ? (byte*)NativeTensor.DataPointer(tensor)
            : throw new ArgumentException($"The pass takes {values} contiguous values of {dtype} on the CPU; it got {tensor.dtype} "
                + $"[{string.Join(", ", tensor.shape)}] on {tensor.device} with strides [{string.Join(", ", tensor.stride())}].",
                nameof(tensor));

    // Where everything lies, and what is done for a few pixels of a frame.
    private sealed class Pass(
        byte* x, float* gamma, float* bias, byte* windows, byte* next, long frames, long pixels, int channels, bool isBFloat16)
    {
        /// <summary>Bytes of a pixel.</summary>
        public int PixelBytes { get; } = channels * (isBFloat16 ? sizeof(ushort) : sizeof(float));

        /// <summary>z of pixels of a frame, in all its places.</summary>
        /// <remarks>Compiled at its best at once: a clip is over before it would have run often enough.</remarks>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Normalise(long frame, long first, int count)
        {
            byte* source = x + (frame * pixels + first) * PixelBytes;
            // One vector more than the values, so that the last may be incomplete.
            float* values = stackalloc float[BlockValues + Vector256<float>.Count];
            int size = count * channels;
            if (isBFloat16) Widen((ushort*)source, values, size);
            else Unsafe.CopyBlockUnaligned(values, source, (uint)(size * sizeof(float)));
            for (int pixel = 0; pixel < count; pixel++) Scale(values + pixel * channels);
            for (int i = 0; i < size; i += Vector256<float>.Count)
            {
                Vector256<float> v = Vector256.Load(values + i);
                (v / (Vector256<float>.One + ExpOfMinus(v))).Store(values + i);
            }
            if (isBFloat16) Narrow(values, size);
            Place((byte*)values - first * PixelBytes, frame, first, count);
        }

        /// <summary>Puts pixels of a frame where the windows of it and the next two have it, and where the next chunk has it.</summary>
        /// <param name="z">The frame.</param>
        /// <param name="frame">Its number; those of the past are −2 and −1.</param>
        /// <param name="first">The first of the pixels.</param>
        /// <param name="count">How many.</param>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Place(byte* z, long frame, long first, int count)
        {
            byte* source = z + first * PixelBytes;
            for (int age = 0; age < 3; age++)
            {
                long window = frame + age;
                if (window < 0 || window >= frames) continue;
                byte* target = windows + ((window * pixels + first) * 3 + 2 - age) * PixelBytes;
                for (int pixel = 0; pixel < count; pixel++)
                    Unsafe.CopyBlockUnaligned(target + 3L * pixel * PixelBytes, source + pixel * PixelBytes, (uint)PixelBytes);
            }
            if (frame >= frames - 2)
                Unsafe.CopyBlockUnaligned(next + ((frame - frames + 2) * pixels + first) * PixelBytes, source, (uint)(count * PixelBytes));
        }

        // (x + bias) / ‖x + bias‖ · γ, in place.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Scale(float* values)
        {
            Vector128<float> squares = Vector128<float>.Zero;
            for (int c = 0; c < channels; c += Vector128<float>.Count)
            {
                Vector128<float> v = Vector128.Load(values + c);
                if (bias != null)
                {
                    v += Vector128.Load(bias + c);
                    v.Store(values + c);
                }
                squares += v * v;
            }
            // Math.Max hands NaN on.
            float scale = 1 / Math.Max(MathF.Sqrt(Vector128.Sum(squares)), (float)CausalRmsSilu.Eps);
            for (int c = 0; c < channels; c += Vector128<float>.Count)
                (Vector128.Load(values + c) * scale * Vector128.Load(gamma + c)).Store(values + c);
        }

        // e^−v as 2^n · e^r, n a whole number and |r| ≤ ½·ln 2, where eight terms of the series are float32's precision. Vector256.Exp is a
        // call, of code that stays slow for the first second of a process.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector256<float> ExpOfMinus(Vector256<float> v)
        {
            // To 2^n within float32's exponents; beyond, v / (1 + e^−v) is v, or next to nothing.
            const float Most = 87, Rounding = 3 << 22;
            Vector256<float> x = Vector256.MinNative(Vector256.MaxNative(-v, Vector256.Create(-Most)), Vector256.Create(Most));
            // In the last bits of a number of that size is n.
            Vector256<float> shifted = Vector256.MultiplyAddEstimate(x, Vector256.Create(MathF.Log2(MathF.E)), Vector256.Create(Rounding));
            Vector256<float> r = Vector256.MultiplyAddEstimate(shifted - Vector256.Create(Rounding), Vector256.Create(-MathF.Log(2)), x);
            Vector256<float> sum = Vector256.Create(1f / 5040);
            sum = Vector256.MultiplyAddEstimate(sum, r, Vector256.Create(1f / 720));
            sum = Vector256.MultiplyAddEstimate(sum, r, Vector256.Create(1f / 120));
            sum = Vector256.MultiplyAddEstimate(sum, r, Vector256.Create(1f / 24));
            sum = Vector256.MultiplyAddEstimate(sum, r, Vector256.Create(1f / 6));
            sum = Vector256.MultiplyAddEstimate(sum, r, Vector256.Create(0.5f));
            sum = Vector256.MultiplyAddEstimate(sum, r, Vector256<float>.One);
            sum = Vector256.MultiplyAddEstimate(sum, r, Vector256<float>.One);
            return (sum.AsInt32() + (shifted.AsInt32() << 23)).AsSingle();
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Widen(ushort* from, float* to, int count)
        {
            int i = 0;
            for (; i <= count - Vector128<ushort>.Count; i += Vector128<ushort>.Count)
            {
                Vector128<ushort> v = Vector128.Load(from + i);
                (Vector128.WidenLower(v) << 16).AsSingle().Store(to + i);
                (Vector128.WidenUpper(v) << 16).AsSingle().Store(to + i + Vector128<float>.Count);
            }
            for (; i < count; i++) to[i] = BitConverter.UInt32BitsToSingle((uint)from[i] << 16);
        }

        // To bfloat16 in the same place; what lies behind the values is rounded with them.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Narrow(float* values, int count)
        {
            for (int i = 0; i < count; i += Vector128<ushort>.Count)
                Vector128.Narrow(Rounded(values + i), Rounded(values + i + Vector128<float>.Count)).Store((ushort*)values + i);
        }

        // To the nearest, of two the even one; NaN stays what it is.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector128<uint> Rounded(float* values)
        {
            Vector128<float> v = Vector128.Load(values);
            Vector128<uint> bits = v.AsUInt32();
            Vector128<uint> rounded = bits + Vector128.Create(0x7FFFu) + ((bits >>> 16) & Vector128<uint>.One);
            return Vector128.ConditionalSelect(Vector128.Equals(v, v).AsUInt32(), rounded, Vector128.Create(0x7FC00000u)) >>> 16;
        }
    }
}
