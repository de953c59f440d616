using TurboDiffusion.Operators.Normalization;
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
    public readonly record struct Epilogue(Tensor Bias, Tensor? Residual);

    /// <summary>Which form runs.</summary>
    /// <param name="offered">What the machine offers.</param>
    /// <param name="p">The problem.</param>
    public static KernelChoice Choose(KernelChoice offered, Problem p) => offered
        .Require(offered.Form == KernelForm.Sm90, "the kernel is for Hopper")
        .Require(p.Dtype == ScalarType.BFloat16, "the kernel takes bfloat16")
        .Require(p is { KernelFrames: 1 or 3, Kernel: >= 1 and <= 3 }, "the kernel spans 1 or 3 frames of 1 to 3 rows and columns")
        .Require(p.Channels > 0 && p.Channels % 32 == 0 && Sm90CausalConvolutionKernel.Tiles(p.Outputs).Any(),
            "the kernel takes multiples of 32 channels, and gives multiples of 96 or 128")
        .Require(p is { Frames: > 0 and <= Sm90CausalConvolutionKernel.MostFrames, Height: > 0 and < 1 << 15, Width: > 0 and < 1 << 15 },
            "the number of frames, rows or columns is out of the kernel's range");

    /// <summary>Weights as the kernel reads them.</summary>
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
    /// <param name="form">A kernel, or the plain form.</param>
    /// <returns><c>[count, H, W, O]</c> in the frames' dtype.</returns>
    public static Tensor Run(IReadOnlyList<Tensor> frames, int count, Tensor packed, Epilogue epilogue, KernelForm form)
    {
        if (form == KernelForm.Sm90) return Sm90CausalConvolutionKernel.Run(frames, count, packed, epilogue);
        using var scope = NewDisposeScope();
        return RunPlain(frames, count, packed, epilogue).to_type(frames[0].dtype).MoveToOuterDisposeScope();
    }

    /// <summary>As <see cref="Run"/>, then normalised over the channels, and SiLU.</summary>
    /// <param name="frames">As for <see cref="Run"/>.</param>
    /// <param name="count">Frames of the output.</param>
    /// <param name="packed">From <see cref="Pack"/>.</param>
    /// <param name="epilogue">How it ends before that.</param>
    /// <param name="gamma">Float32 <c>[O]</c>, √O in it.</param>
    /// <param name="form">A kernel, or the plain form.</param>
    /// <returns>Frames <c>[H, W, O]</c> in the frames' dtype, each with its own memory.</returns>
    public static Tensor[] RunNormalised(
        IReadOnlyList<Tensor> frames, int count, Tensor packed, Epilogue epilogue, Tensor gamma, KernelForm form)
    {
        if (form == KernelForm.Sm90) return Sm90CausalConvolutionKernel.RunNormalised(frames, count, packed, epilogue, gamma);
        using var scope = NewDisposeScope();
        return [.. RunNormalisedPlain(frames, count, packed, epilogue, gamma)
            .Select(z => z.to_type(frames[0].dtype).MoveToOuterDisposeScope())];
    }

    /// <summary>The plain form of <see cref="Run"/>, in float32.</summary>
    public static Tensor RunPlain(IReadOnlyList<Tensor> frames, int count, Tensor packed, Epilogue epilogue)
    {
        using var scope = NewDisposeScope();
        long past = packed.shape[0] - 1, pad = packed.shape[1] / 2;
        Tensor x = stack([.. frames], 0).to_type(ScalarType.Float32);
        x = cat([x.new_zeros([past + count - frames.Count, .. x.shape[1..]]), x], 0).permute(3, 0, 1, 2).unsqueeze(0);
        Tensor weight = packed.to_type(ScalarType.Float32).permute(3, 4, 0, 2, 1);
        Tensor y = TorchConvolution.Run(x, weight, epilogue.Bias, [1, 1, 1], [0, pad, pad]).squeeze(0).permute(1, 2, 3, 0);
        if (epilogue.Residual is { } residual) y = y + residual;
        return y.contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>The plain form of <see cref="RunNormalised"/>, in float32.</summary>
    public static Tensor[] RunNormalisedPlain(
        IReadOnlyList<Tensor> frames, int count, Tensor packed, Epilogue epilogue, Tensor gamma)
    {
        using var scope = NewDisposeScope();
        return [.. RmsSilu.RunPlain(RunPlain(frames, count, packed, epilogue), gamma).Select(frame => frame.MoveToOuterDisposeScope())];
    }
}
