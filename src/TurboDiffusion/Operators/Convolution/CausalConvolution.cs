using TorchSharp;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Convolution;

/// <summary>
/// A convolution over time and space of frames, channels last: an output frame sees its own input frame and those before it; outside of
/// a frame, and before the first, there are zeros. Frames are tensors of their own, so that those kept for the next chunk are the very
/// ones that this chunk reads, and nothing is put side by side.
/// </summary>
internal static class CausalConvolution
{
    // What the kernel takes, and the fewest that it gives: channels of zeros fill a layer's up. Of few channels, the pixels around each
    // fit in their place: the kernel then spans one row and column.
    private const int Granularity = 32;

    /// <summary>The fewest channels that the kernel gives.</summary>
    public const int FewestOutputs = Granularity;

    /// <summary>What a launch depends on.</summary>
    /// <param name="Frames">Frames of the output.</param>
    /// <param name="Height">Rows of the input.</param>
    /// <param name="Width">Columns of the input.</param>
    /// <param name="Channels">Channels of the input.</param>
    /// <param name="Outputs">Channels of the output.</param>
    /// <param name="KernelFrames">Frames that the kernel spans.</param>
    /// <param name="Kernel">Rows and columns that it spans.</param>
    /// <param name="Dtype">The element type.</param>
    public readonly record struct Problem(
        long Frames, long Height, long Width, long Channels, long Outputs, long KernelFrames, long Kernel, ScalarType Dtype);

    /// <summary>How the result ends.</summary>
    /// <param name="Bias">Float32 <c>[O]</c>.</param>
    /// <param name="Residual">Added to it, as the result; or null.</param>
    /// <param name="Relu">Whether what is negative then becomes zero.</param>
    public readonly record struct Epilogue(Tensor Bias, Tensor? Residual, bool Relu = false);

    /// <summary>Which form runs.</summary>
    /// <param name="offered">What the machine offers.</param>
    /// <param name="p">The problem.</param>
    public static KernelChoice Choose(KernelChoice offered, Problem p) => offered
        .Require(offered.Form == KernelForm.Sm90, "the kernel is for Hopper")
        .Require(p.Dtype == ScalarType.BFloat16, "the kernel takes bfloat16")
        .Require(p is { KernelFrames: >= 1 and <= 3, Kernel: >= 1 and <= 3 }, "the kernel spans 1 to 3 frames, rows and columns")
        .Require(p.Channels > 0 && p.Channels % 32 == 0 && Sm90CausalConvolutionKernel.Tiles(p.Outputs).Any(),
            "the kernel takes multiples of 32 channels, and gives 32 or multiples of 64 or 96")
        .Require(p is { Frames: > 0 and <= Sm90CausalConvolutionKernel.MostFrames, Height: > 0 and < 1 << 15, Width: > 0 and < 1 << 15 },
            "the number of frames, rows or columns is out of the kernel's range");

    /// <summary>Whether layers of any size, their channels filled up, run in the kernel.</summary>
    /// <param name="device">Where.</param>
    /// <param name="dtype">In which element type.</param>
    public static bool ServesLayers(Device device, ScalarType dtype) => device.type == DeviceType.CUDA
        && ServesLayers(KernelMachine.Offer(KernelOperator.CausalConvolution, Math.Max(device.index, 0)), dtype);

    /// <summary>As above, of what is offered.</summary>
    internal static bool ServesLayers(KernelChoice offered, ScalarType dtype) =>
        Choose(offered, new(1, 1, 1, Granularity, Granularity, 3, 3, dtype)).IsKernel;

    /// <summary>Whether it is the fastest way for a chunk; elsewhere, torch's convolutions are.</summary>
    /// <param name="video"><c>[B, C, T, H, W]</c></param>
    /// <param name="weight"><c>[O, C, frames, rows, columns]</c></param>
    public static bool IsFastest(Tensor video, Tensor weight)
    {
        long[] s = video.shape, w = weight.shape;
        bool gathers = Gathers(w[1], w[3]);
        long channels = gathers ? Granularity : w[1] + MissingInputs(w[1]);
        // Also of no frames: all chunks of a clip go the same way.
        return IsFastest(video, (Math.Max(s[2], 1), s[3], s[4]), (channels, w[0] + MissingOutputs(w[0]), w[2], gathers ? 1 : w[3]));
    }

    /// <summary>As above, of frames of a size.</summary>
    /// <param name="like">A tensor of the input's element type, where it is.</param>
    /// <param name="size">Frames of the output, rows, columns.</param>
    /// <param name="weight">Channels of the input and the output, frames, and rows and columns, of the kernel.</param>
    public static bool IsFastest(
        Tensor like, (long Frames, long Height, long Width) size, (long Channels, long Outputs, long KernelFrames, long Kernel) weight) =>
        Choose(like, size, weight).IsKernel;

    /// <summary>A layer's weights for the chunks of a clip, for frames from <see cref="Fill"/>.</summary>
    /// <param name="weight"><c>[O, C, frames, rows, columns]</c></param>
    /// <param name="bias"><c>[O]</c></param>
    public static ConvolutionWeights Prepare(Tensor weight, Tensor bias)
    {
        using var scope = NewDisposeScope();
        Tensor alone = weight.detach();
        long[] s = alone.shape;
        if (Gathers(s[1], s[3])) alone = alone.permute(0, 3, 4, 1, 2).reshape(s[0], s[3] * s[4] * s[1], s[2], 1, 1);
        (long inputs, long outputs) = (MissingInputs(alone.size(1)), MissingOutputs(s[0]));
        if (inputs + outputs == 0) return ConvolutionWeights.Of(Pack(alone), bias, ScalarType.Float32);
        Tensor filled = nn.functional.pad(alone, [0, 0, 0, 0, 0, 0, 0, inputs, 0, outputs]);
        return ConvolutionWeights.Of(Pack(filled), nn.functional.pad(bias.detach(), [0, outputs]), ScalarType.Float32);
    }

    /// <summary>Frames with as many channels as the kernel takes: a layer's own, and zeros; of few, those of the pixels around.</summary>
    /// <param name="x"><c>[T, H, W, C]</c>, contiguous.</param>
    /// <param name="kernel">Rows and columns that the layer's kernel spans.</param>
    /// <returns><c>[T, H, W, C']</c>, contiguous; x itself where it has enough.</returns>
    public static Tensor Fill(Tensor x, long kernel)
    {
        (long frames, long height, long width, long channels) = (x.size(0), x.size(1), x.size(2), x.size(3));
        if (!Gathers(channels, kernel)) return MissingInputs(channels) is > 0 and long more ? nn.functional.pad(x, [0, more]) : x;
        using var scope = NewDisposeScope();
        long before = kernel / 2, wide = (width + kernel - 1) * channels, line = kernel * channels;
        Tensor padded = nn.functional.pad(x, [0, 0, before, kernel - 1 - before, before, kernel - 1 - before]);
        Tensor around = padded.as_strided([frames, height, width, kernel, line], [(height + kernel - 1) * wide, wide, channels, wide, 1]);
        Tensor y = x.new_zeros([frames, height, width, Granularity]);
        long row = width * Granularity;
        y.as_strided([frames, height, width, kernel, line], [height * row, row, Granularity, line, 1]).copy_(around);
        return y.MoveToOuterDisposeScope();
    }

    /// <summary>Runs a layer.</summary>
    /// <param name="frames">As for <see cref="Run"/>, from <see cref="Fill"/>.</param>
    /// <param name="count">Frames of the output.</param>
    /// <param name="weights">From <see cref="Prepare"/>.</param>
    /// <param name="outputs">Channels of the layer's output.</param>
    /// <param name="residual"><c>[count, H, W, outputs]</c>, to be added; or null.</param>
    /// <param name="frameStride">As for <see cref="Run"/>.</param>
    /// <returns><c>[count, H, W, outputs]</c> in the frames' dtype, contiguous.</returns>
    public static Tensor RunLayer(IReadOnlyList<Tensor> frames, int count, ConvolutionWeights weights, long outputs, Tensor? residual,
        int frameStride = 1)
    {
        using var scope = NewDisposeScope();
        if (outputs == weights.Bias.size(0))
            return Run(frames, count, weights.Packed, new(weights.Bias, residual), frameStride).MoveToOuterDisposeScope();
        Tensor y = Run(frames, count, weights.Packed, new(weights.Bias, null), frameStride).narrow(3, 0, outputs);
        return (residual is null ? y.contiguous() : y + residual).MoveToOuterDisposeScope();
    }

    /// <summary>Weights as the operator reads them.</summary>
    /// <param name="weight"><c>[O, C, frames, rows, columns]</c></param>
    /// <returns><c>[frames, columns, rows, O, C]</c>, contiguous.</returns>
    public static Tensor Pack(Tensor weight) => weight.permute(2, 4, 3, 0, 1).contiguous();

    /// <summary>Runs it.</summary>
    /// <param name="frames">
    /// <c>[H, W, C]</c> each: of the past those that there are, up to the kernel's frames less one, then those of the output.
    /// </param>
    /// <param name="count">Frames of the output.</param>
    /// <param name="packed">From <see cref="Pack"/>.</param>
    /// <param name="epilogue">How it ends.</param>
    /// <param name="frameStride">
    /// Frames of the input for each of the output: 1; or 2, of which the past that the kernel spans is there, as one frame.
    /// </param>
    /// <returns><c>[count, H, W, O]</c> in the frames' dtype.</returns>
    public static Tensor Run(IReadOnlyList<Tensor> frames, int count, Tensor packed, Epilogue epilogue, int frameStride = 1)
    {
        using var scope = NewDisposeScope();
        if (!Choose(frames, count, packed).IsKernel)
            return RunPlain(frames, count, packed, epilogue, frameStride).to_type(frames[0].dtype).MoveToOuterDisposeScope();
        Tensor[] parts = [.. Parts(frames, count, packed, epilogue, frameStride)
            .Select(part => Sm90CausalConvolutionKernel.Run(part.Frames, part.Count, packed, part.Epilogue, null, frameStride))];
        return (parts is [var only] ? only : cat(parts, 0)).MoveToOuterDisposeScope();
    }

    /// <summary>The plain form of <see cref="Run"/>, in float32.</summary>
    public static Tensor RunPlain(IReadOnlyList<Tensor> frames, int count, Tensor packed, Epilogue epilogue, int frameStride = 1)
    {
        using var scope = NewDisposeScope();
        long all = packed.size(0) + (count - 1) * frameStride, pad = packed.size(1) / 2;
        Tensor x = stack([.. frames], 0).to_type(ScalarType.Float32);
        x = cat([x.new_zeros([all - frames.Count, .. x.shape[1..]]), x], 0).permute(3, 0, 1, 2).unsqueeze(0);
        Tensor weight = packed.to_type(ScalarType.Float32).permute(3, 4, 0, 2, 1);
        Tensor y = TorchConvolution.Run(x, weight, epilogue.Bias, [frameStride, 1, 1], [0, pad, pad]).squeeze(0).permute(1, 2, 3, 0);
        if (epilogue.Residual is { } residual) y = y + residual;
        if (epilogue.Relu) y = y.relu();
        return y.contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>A convolution as those of no more frames than a launch gives.</summary>
    /// <param name="frames">As for <see cref="Run"/>.</param>
    /// <param name="count">Frames of the output.</param>
    /// <param name="packed">From <see cref="Pack"/>.</param>
    /// <param name="epilogue">How it ends.</param>
    /// <param name="frameStride">As for <see cref="Run"/>.</param>
    internal static IEnumerable<(IReadOnlyList<Tensor> Frames, int Count, Epilogue Epilogue)> Parts(
        IReadOnlyList<Tensor> frames, int count, Tensor packed, Epilogue epilogue, int frameStride = 1)
    {
        const int most = Sm90CausalConvolutionKernel.MostFrames;
        int known = frames.Count - count * frameStride, past = (int)packed.size(0) - frameStride;
        for (int first = 0; first < count; first += most)
        {
            int part = Math.Min(most, count - first), begin = Math.Max(known + first * frameStride - past, 0);
            yield return ([.. frames.Skip(begin).Take(known + (first + part) * frameStride - begin)], part,
                epilogue with { Residual = epilogue.Residual?.narrow(0, first, part) });
        }
    }

    private static bool Gathers(long channels, long kernel) => kernel > 1 && channels * kernel * kernel <= Granularity;

    private static long MissingInputs(long channels) => -channels & (Granularity - 1);

    private static long MissingOutputs(long outputs) => Math.Max(0, FewestOutputs - outputs);

    private static KernelChoice Choose(IReadOnlyList<Tensor> frames, int count, Tensor packed) => Choose(
        frames[0], (count, frames[0].size(0), frames[0].size(1)), (packed.size(4), packed.size(3), packed.size(0), packed.size(1)));

    // One launch gives so many frames of a longer chunk.
    private static KernelChoice Choose(
        Tensor like, (long Frames, long Height, long Width) size, (long Channels, long Outputs, long KernelFrames, long Kernel) weight) =>
        Choose(KernelMachine.Offer(KernelOperator.CausalConvolution, like),
            new(Math.Min(size.Frames, Sm90CausalConvolutionKernel.MostFrames), size.Height, size.Width, weight.Channels, weight.Outputs,
                weight.KernelFrames, weight.Kernel, like.dtype));
}
