using System.Runtime.InteropServices;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Convolution;

/// <summary><see cref="CausalConvolution"/> by Hopper's wgmma and TMA: <c>native/convolution/sm90_causal_convolution.cu</c>.</summary>
internal static unsafe class Sm90CausalConvolutionKernel
{
    /// <summary>Frames of the output at once.</summary>
    public const int MostFrames = 8;

    private const string Name = "sm90_causal_convolution";
    private const int Threads = 384, Alignment = 1 << 10, TileRows = 16, TileColumns = 16, BoxColumns = 8, Warpgroups = 2;
    // Channels of a stage.
    private const int Slice = 32;
    private const int NarrowOutputs = 32, MostSums = 192;

    private static readonly int[] Widths = [192, 128, 96, 64, NarrowOutputs];

    /// <summary>What a launch depends on.</summary>
    /// <param name="Of">The convolution.</param>
    /// <param name="Phases">1; or 4, output pixels of an input pixel.</param>
    /// <param name="Residual">Whether something is added.</param>
    /// <param name="FrameStride">1; or 2, frames of the input for each of the output.</param>
    /// <param name="Relu">Whether what is negative becomes zero.</param>
    public readonly record struct Launch(
        CausalConvolution.Problem Of, int Phases, bool Residual, int FrameStride = 1, bool Relu = false);

    /// <summary>Choices that change its speed and not its result; the head of the source says what they are.</summary>
    /// <param name="Outputs">Channels of a tile.</param>
    /// <param name="Alternate">Whether the warpgroups have every other tile.</param>
    public readonly record struct Tuning(int Outputs, bool Alternate)
    {
        // Of tiles of so many channels, the time of a product relative to those of 192, measured on an H200 over 192 and 384 channels:
        // 1005 µs at 192, 945 µs at 96; 4268 µs at 192, 4263 µs at 128, 4038 µs at 96.
        // Those of 64 and 32 read more of shared memory for a product than it needs time: assumed.
        private double RelativeTime => Outputs switch { 192 or 128 => 1, 96 => 0.945, 64 => 1.1, _ => 1.5 };

        /// <summary>Those that can be the fastest.</summary>
        /// <param name="launch">The launch.</param>
        public static IEnumerable<Tuning> All(Launch launch) =>
            from outputs in Tiles(launch.Of.Outputs)
            from alternate in new[] { true, false }
            where Fits(outputs, alternate)
            select new Tuning(outputs, alternate);

        /// <summary>A launch's: the shortest time, and alternating warpgroups where their sums fit.</summary>
        /// <param name="launch">The launch.</param>
        /// <param name="multiprocessors">Of the GPU.</param>
        public static Tuning Of(Launch launch, int multiprocessors)
        {
            Tuning best = default;
            double shortest = double.PositiveInfinity;
            foreach (int outputs in Widths)
            {
                if (!Divides(outputs, launch.Of.Outputs)) continue;
                Tuning tuning = new(outputs, Fits(outputs, alternate: true));
                if (tuning.Time(launch, multiprocessors) is var time && time < shortest) (best, shortest) = (tuning, time);
            }
            return best;
        }

        /// <summary>Waves of tiles times the time of one, in that of a channel of a tile of 192.</summary>
        /// <param name="launch">The launch.</param>
        /// <param name="multiprocessors">Of the GPU.</param>
        public double Time(Launch launch, int multiprocessors) =>
            (Units(launch, Outputs) + multiprocessors - 1) / multiprocessors * Outputs * RelativeTime;
    }

    /// <summary>The widths of tiles that a number of channels can be divided into.</summary>
    /// <param name="outputs">Channels of the output.</param>
    public static IEnumerable<int> Tiles(long outputs) => Widths.Where(width => Divides(width, outputs));

    /// <summary>How a problem is run: a thread block per multiprocessor, with as deep a ring as shared memory holds.</summary>
    /// <param name="launch">The launch.</param>
    /// <param name="sharedBytes">Shared memory that a thread block may have.</param>
    /// <param name="multiprocessors">Of the GPU.</param>
    /// <param name="tuning">Null is the launch's.</param>
    public static KernelConfiguration Configure(Launch launch, int sharedBytes, int multiprocessors, Tuning? tuning = null)
    {
        Tuning t = tuning ?? Tuning.Of(launch, multiprocessors);
        int stages = Stages(launch, t, sharedBytes);
        return new KernelConfiguration(
            new KernelProgram(Name, ("CHANNELS", launch.Of.Channels), ("OUTPUTS", t.Outputs),
                ("ALTERNATE", t.Alternate), ("KERNEL_FRAMES", launch.Of.KernelFrames), ("KERNEL", launch.Of.Kernel),
                ("PHASES", launch.Phases), ("FRAME_STRIDE", launch.FrameStride), ("STAGES", stages),
                ("RESIDUAL", launch.Residual), ("RELU", launch.Relu)),
            new KernelLaunch((int)Math.Min(Units(launch, t.Outputs), multiprocessors), 1, Threads,
                stages * StageBytes(launch, t) + Alignment));
    }

    /// <summary>Runs it.</summary>
    /// <param name="frames">bfloat16, as for <see cref="CausalConvolution.Run"/>, each contiguous.</param>
    /// <param name="count">Frames of the output, up to <see cref="MostFrames"/>.</param>
    /// <param name="packed">bfloat16, from <see cref="CausalConvolution.Pack"/>.</param>
    /// <param name="epilogue">How it ends; a residual is bfloat16.</param>
    /// <param name="tuning">Null is the problem's.</param>
    /// <param name="frameStride">As for <see cref="CausalConvolution.Run"/>.</param>
    /// <returns><c>[count, H, W, O]</c>, bfloat16.</returns>
    public static Tensor Run(IReadOnlyList<Tensor> frames, int count, Tensor packed, CausalConvolution.Epilogue epilogue,
        Tuning? tuning = null, int frameStride = 1)
    {
        (long height, long width, long channels) = (frames[0].size(0), frames[0].size(1), frames[0].size(2));
        Tensor y = empty([count, height, width, epilogue.Bias.size(0)], ScalarType.BFloat16, packed.device);
        Queue([.. frames.Select(frame => Address(frame, height, width, channels))], (height, width, channels), null, packed,
            Of(count, height, width, packed, 1, epilogue, frameStride), epilogue, y, tuning);
        return y;
    }

    /// <summary>Runs the four kernels of 2×2 of <see cref="UpsampleConvolution"/>.</summary>
    /// <param name="frames">bfloat16 <c>[H, W, C]</c> each, contiguous.</param>
    /// <param name="packed"><c>[4, columns, rows, O, C]</c>: of the even rows, the even columns first.</param>
    /// <param name="bias">Float32 <c>[O]</c>.</param>
    /// <param name="tuning">Null is the problem's.</param>
    /// <param name="relu">Whether what is negative becomes zero.</param>
    /// <returns><c>[N, 2·H, 2·W, O]</c>, bfloat16.</returns>
    public static Tensor RunEnlarged(
        IReadOnlyList<Tensor> frames, Tensor packed, Tensor bias, Tuning? tuning = null, bool relu = false)
    {
        (long height, long width, long channels) = (frames[0].size(0), frames[0].size(1), frames[0].size(2));
        Tensor y = empty([frames.Count, 2 * height, 2 * width, bias.size(0)], ScalarType.BFloat16, packed.device);
        CausalConvolution.Epilogue epilogue = new(bias, null, relu);
        Queue([.. frames.Select(frame => Address(frame, height, width, channels))], (height, width, channels), null, packed,
            Of(frames.Count, height, width, packed, 4, epilogue, 1), epilogue, y, tuning);
        return y;
    }

    /// <summary>
    /// Runs the kernel of <see cref="DownsampleConvolution"/>: a frame's even and odd rows as two frames, two columns as channels.
    /// </summary>
    /// <param name="frames">bfloat16 <c>[H, W, C]</c> each, contiguous, with even H and W.</param>
    /// <param name="packed"><c>[2, columns, rows, O, 2·C]</c>: of the even rows first.</param>
    /// <param name="bias">Float32 <c>[O]</c>.</param>
    /// <param name="tuning">Null is the problem's.</param>
    /// <returns><c>[N, H/2, W/2, O]</c>, bfloat16.</returns>
    public static Tensor RunHalved(IReadOnlyList<Tensor> frames, Tensor packed, Tensor bias, Tuning? tuning = null)
    {
        (long height, long width, long channels) = (frames[0].size(0), frames[0].size(1), frames[0].size(2));
        Tensor y = empty([frames.Count, height / 2, width / 2, bias.size(0)], ScalarType.BFloat16, packed.device);
        CausalConvolution.Epilogue epilogue = new(bias, null);
        nint row = (nint)(sizeof(ushort) * width * channels);
        Queue([.. frames.Select(frame => Address(frame, height, width, channels)).SelectMany(even => new[] { even, even + row })],
            (height / 2, width / 2, 2 * channels), 2 * width * channels, packed,
            Of(frames.Count, height / 2, width / 2, packed, 1, epilogue, 2), epilogue, y, tuning);
        return y;
    }

    private static nint Address(Tensor frame, long height, long width, long channels) =>
        (nint)KernelOperand.Address(frame, ScalarType.BFloat16, height, width, channels);

    private static Launch Of(
        int count, long height, long width, Tensor packed, int phases, CausalConvolution.Epilogue epilogue, int frameStride) =>
        new(new(count, height, width, packed.size(4), packed.size(3), packed.size(0) / phases, packed.size(1), ScalarType.BFloat16),
            phases, epilogue.Residual is not null, frameStride, epilogue.Relu);

    // rowPitch: values from a row of a frame to the next; null: they lie side by side.
    private static void Queue(IReadOnlyList<nint> frames, (long Height, long Width, long Channels) size, long? rowPitch, Tensor packed,
        Launch launch, CausalConvolution.Epilogue epilogue, Tensor y, Tuning? tuning)
    {
        (long count, long kernelFrames, long kernel, long outputs) =
            (launch.Of.Frames, launch.Of.KernelFrames, launch.Of.Kernel, launch.Of.Outputs);
        long past = Math.Max(kernelFrames - launch.FrameStride, 0), missing = count * launch.FrameStride + past - frames.Count;
        if (count is < 1 or > MostFrames || missing < 0 || missing > (launch.FrameStride == 1 ? past : 0))
            throw new ArgumentException(
                $"A convolution over {kernelFrames} frames got {frames.Count} for {count}; up to {MostFrames} can come of one launch.",
                nameof(frames));
        IKernelDevice on = KernelDevice.Of(packed.device);
        Tuning chosen = tuning ?? Tuning.Of(launch, on.Multiprocessors);
        (KernelProgram program, KernelLaunch grid) = Configure(launch, on.SharedBytes, on.Multiprocessors, chosen);

        int mapCount = MostFrames * launch.FrameStride + (int)past;
        byte* maps = stackalloc byte[(mapCount + 1) * TensorMap.Size + TensorMap.Alignment];
        maps += TensorMap.Alignment - (long)maps % TensorMap.Alignment;
        for (int i = 0; i < frames.Count; i++)
            TensorMap.Describe(on, maps + i * TensorMap.Size, (void*)frames[i], size, (TileRows + (int)kernel - 1, BoxColumns, Slice),
                rowPitch);
        byte* weights = maps + mapCount * TensorMap.Size;
        TensorMap.Describe(on, weights, KernelOperand.Address(packed, ScalarType.BFloat16, launch.Phases * kernelFrames, kernel, kernel,
            outputs, size.Channels), (launch.Phases * kernelFrames * kernel * kernel, outputs, size.Channels),
            ((int)kernel, chosen.Outputs, Slice));
        var result = new Result
        {
            Bias = KernelOperand.Address(epilogue.Bias, ScalarType.Float32, outputs),
            Residual = epilogue.Residual is { } residual
                ? KernelOperand.Address(residual, ScalarType.BFloat16, count, size.Height, size.Width, outputs)
                : null,
            Y = KernelOperand.Address(y, ScalarType.BFloat16),
        };
        var extent = new Extent
        {
            Frames = (int)count, Height = (int)size.Height, Width = (int)size.Width, Outputs = (int)outputs, Missing = (int)missing,
        };
        void** arguments = stackalloc void*[] { maps, weights, &result, &extent };
        on.Launch(program, grid, arguments);
    }

    private static bool Divides(int width, long outputs) =>
        width == NarrowOutputs ? outputs == width : outputs > 0 && outputs % width == 0;

    // Whether a warpgroup has registers for its sums.
    private static bool Fits(int outputs, bool alternate) => Products(alternate) * outputs / 2 <= MostSums;

    private static int Products(bool alternate) => (alternate ? 2 : 1) * TileRows / BoxColumns;

    private static long Units(Launch launch, int outputs) =>
        launch.Of.Frames * ((launch.Of.Height + TileRows - 1) / TileRows) * ((launch.Of.Width + TileColumns - 1) / TileColumns)
        * launch.Phases * (launch.Of.Outputs / outputs);

    private static int StageBytes(Launch launch, Tuning tuning) => sizeof(ushort) * Slice
        * (Warpgroups * (TileRows + (int)launch.Of.Kernel - 1) * BoxColumns + (int)launch.Of.Kernel * tuning.Outputs);

    private static int Stages(Launch launch, Tuning tuning, int sharedBytes) => (sharedBytes - Alignment) / StageBytes(launch, tuning);

    // struct Result of the source.
    [StructLayout(LayoutKind.Sequential)]
    private struct Result
    {
        public void* Bias, Residual, Y;
    }

    // struct Size of the source.
    [StructLayout(LayoutKind.Sequential)]
    private struct Extent
    {
        public int Frames, Height, Width, Outputs, Missing;
    }
}
