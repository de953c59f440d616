using TorchSharp;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Convolution;

/// <summary>
/// A 3×3 convolution of a frame that was enlarged to twice its height and width by repeating its pixels. Two of the three taps of a
/// row, or of a column, fall on one pixel of the small frame: the four output pixels of a pixel are four convolutions of 2×2 with
/// summed weights, 4/9 of the work, and no frame is enlarged.
/// </summary>
internal static class UpsampleConvolution
{
    // Of an even and an odd output row: which of the three taps fall on the first and on the second of two neighbouring rows.
    private static readonly float[,,] TapsOfRows =
    {
        { { 1, 0, 0 }, { 0, 1, 1 } },
        { { 1, 1, 0 }, { 0, 0, 1 } },
    };

    /// <summary>The weights of a layer in the form that runs.</summary>
    /// <param name="Form">The form.</param>
    /// <param name="Weights">As it reads them.</param>
    public sealed record Prepared(KernelForm Form, ConvolutionWeights Weights) : IDisposable
    {
        public void Dispose() => Weights.Dispose();
    }

    /// <summary>
    /// Which form runs: <see cref="RunPlain"/>; as the portable one <see cref="RunFolded"/>; Hopper's own <see cref="RunKernel"/>.
    /// </summary>
    /// <param name="x"><c>[N, C, H, W]</c></param>
    /// <param name="outputs">Channels of the output.</param>
    public static KernelChoice Choose(Tensor x, long outputs) => Choose(x, x.size(0), x.size(2), x.size(3), x.size(1), outputs);

    private static KernelChoice Choose(Tensor like, long frames, long height, long width, long channels, long outputs)
    {
        if (like.device_type == DeviceType.CPU && !is_grad_enabled()) return new KernelChoice(KernelForm.Portable, "folded on the CPU");
        KernelChoice convolution = CausalConvolution.Choose(KernelMachine.Offer(KernelOperator.CausalConvolution, like),
            new(Math.Min(frames, Sm90CausalConvolutionKernel.MostFrames), height, width, channels, outputs, 1, 2, like.dtype));
        return Choose(KernelMachine.Offer(KernelOperator.UpsampleConvolution, like), convolution);
    }

    /// <summary>Which form runs on a GPU.</summary>
    /// <param name="offered">What the machine offers.</param>
    /// <param name="convolution">The form of the folded convolution, from <see cref="CausalConvolution"/>.</param>
    public static KernelChoice Choose(KernelChoice offered, KernelChoice convolution) =>
        offered.RequireForSm90(convolution.IsKernel, convolution.Reason);

    /// <summary>Whether frames that lie channels last are best enlarged where they lie: <see cref="RunFrames"/>.</summary>
    /// <param name="like">A tensor of the frames' element type, where they are.</param>
    /// <param name="size">Rows and columns of a frame.</param>
    /// <param name="channels">Of the frames.</param>
    /// <param name="outputs">Of the output.</param>
    public static bool IsFastest(Tensor like, (long Height, long Width) size, long channels, long outputs) =>
        Choose(like, 1, size.Height, size.Width, channels, outputs).Form == KernelForm.Sm90;

    /// <summary>A layer's weights for the frames of a clip, in the form that runs for such frames; in no dispose scope.</summary>
    /// <param name="x"><c>[N, C, H, W]</c></param>
    /// <param name="weight"><c>[O, C, 3, 3]</c></param>
    /// <param name="bias"><c>[O]</c></param>
    public static Prepared Prepare(Tensor x, Tensor weight, Tensor bias)
    {
        using var scope = NewDisposeScope();
        Tensor alone = weight.detach();
        KernelForm form = Choose(x, bias.size(0)).Form;
        return new(form, form switch
        {
            KernelForm.Plain => ConvolutionWeights.Of(alone, bias, bias.dtype),
            KernelForm.Portable => ConvolutionWeights.Of(Fold(alone), bias, bias.dtype),
            _ => ConvolutionWeights.Of(Pack(alone), bias, ScalarType.Float32),
        });
    }

    /// <summary>Runs it, without gradients.</summary>
    /// <param name="x"><c>[N, C, H, W]</c></param>
    /// <param name="layer">From <see cref="Prepare"/>.</param>
    /// <returns><c>[N, O, 2·H, 2·W]</c></returns>
    public static Tensor Run(Tensor x, Prepared layer) => layer.Form switch
    {
        KernelForm.Plain => RunPlain(x, layer.Weights.Packed, layer.Weights.Bias),
        KernelForm.Portable => RunFolded(x, layer.Weights.Packed, layer.Weights.Bias),
        _ => RunKernel(x, layer.Weights.Packed, layer.Weights.Bias),
    };

    /// <summary>The plain form: enlarges, with gradients.</summary>
    /// <param name="x"><c>[N, C, H, W]</c></param>
    /// <param name="weight"><c>[O, C, 3, 3]</c></param>
    /// <param name="bias"><c>[O]</c></param>
    /// <returns><c>[N, O, 2·H, 2·W]</c></returns>
    public static Tensor RunPlain(Tensor x, Tensor weight, Tensor bias)
    {
        using var scope = NewDisposeScope();
        // At a factor of exactly 2, PyTorch's nearest and nearest-exact are the same.
        Tensor enlarged = nn.functional.interpolate(x, scale_factor: [2, 2], mode: InterpolationMode.Nearest);
        return TorchConvolution.Run(enlarged, weight, bias, [1, 1], [1, 1]).MoveToOuterDisposeScope();
    }

    /// <summary>The weights of <see cref="RunFolded"/>, summed in float32.</summary>
    /// <param name="weight"><c>[O, C, 3, 3]</c></param>
    /// <returns>
    /// <c>[4·O, C, 2, 2]</c> with the strides of channels last: of the even output rows, their even columns first, then the odd ones.
    /// </returns>
    public static Tensor Fold(Tensor weight)
    {
        using var scope = NewDisposeScope();
        Tensor taps = tensor(TapsOfRows).to(weight.device);
        Tensor folded = einsum("apk,bql,ockl->abopqc", taps, taps, weight.to_type(ScalarType.Float32));
        return folded.flatten(0, 2).to_type(weight.dtype).contiguous().permute(0, 3, 1, 2).MoveToOuterDisposeScope();
    }

    /// <summary>The folded form: one convolution gives every pixel its four, which are then put in place.</summary>
    /// <param name="x"><c>[N, C, H, W]</c>, best with the strides of channels last.</param>
    /// <param name="folded">From <see cref="Fold"/>.</param>
    /// <param name="bias"><c>[O]</c></param>
    /// <returns><c>[N, O, 2·H, 2·W]</c> with the strides of channels last.</returns>
    public static Tensor RunFolded(Tensor x, Tensor folded, Tensor bias)
    {
        using var scope = NewDisposeScope();
        (long n, long h, long w, long o) = (x.size(0), x.size(2), x.size(3), bias.size(0));
        Tensor four = TorchConvolution.Run(x, folded, bias.repeat(4), [1, 1], [1, 1]).permute(0, 2, 3, 1).contiguous();
        // [N, H + 1, W + 1, 2, 2, O]: an odd row's value lies a row further down, an odd column's a column further on.
        long column = 4 * o, row = (w + 1) * column;
        return four.as_strided([n, h, 2, w, 2, o], [(h + 1) * row, row, row + 2 * o, column, column + o, 1])
            .reshape(n, 2 * h, 2 * w, o).permute(0, 3, 1, 2).MoveToOuterDisposeScope();
    }

    /// <summary>The weights of <see cref="RunKernel"/>.</summary>
    /// <param name="weight"><c>[O, C, 3, 3]</c></param>
    /// <returns><c>[4, columns, rows, O, C]</c>, contiguous.</returns>
    public static Tensor Pack(Tensor weight)
    {
        using var scope = NewDisposeScope();
        return Fold(weight).contiguous().view(4, weight.size(0), weight.size(1), 2, 2).permute(0, 4, 3, 1, 2).contiguous()
            .MoveToOuterDisposeScope();
    }

    /// <summary>The folded form as one kernel, which writes every pixel in its place.</summary>
    /// <param name="x">bfloat16 <c>[N, C, H, W]</c></param>
    /// <param name="packed">From <see cref="Pack"/>.</param>
    /// <param name="bias">Float32 <c>[O]</c>.</param>
    /// <returns><c>[N, O, 2·H, 2·W]</c> with the strides of channels last.</returns>
    public static Tensor RunKernel(Tensor x, Tensor packed, Tensor bias)
    {
        using var scope = NewDisposeScope();
        return Launch(x.permute(0, 2, 3, 1).contiguous().unbind(0), packed, bias, relu: false).permute(0, 3, 1, 2)
            .MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Runs it on frames that lie channels last: as the kernel; elsewhere, <see cref="RunFolded"/> of the same weights is its plain form.
    /// </summary>
    /// <param name="frames"><c>[H, W, C]</c> each, contiguous.</param>
    /// <param name="packed">From <see cref="Pack"/>.</param>
    /// <param name="bias">Float32 <c>[O]</c>.</param>
    /// <param name="relu">Whether what is negative becomes zero.</param>
    /// <returns><c>[N, 2·H, 2·W, O]</c>, contiguous.</returns>
    public static Tensor RunFrames(IReadOnlyList<Tensor> frames, Tensor packed, Tensor bias, bool relu)
    {
        using var scope = NewDisposeScope();
        if (IsFastest(frames[0], (frames[0].size(0), frames[0].size(1)), frames[0].size(2), bias.size(0)))
            return Launch(frames, packed, bias, relu).MoveToOuterDisposeScope();
        Tensor folded = packed.permute(0, 3, 4, 2, 1).flatten(0, 1), x = stack([.. frames], 0).permute(0, 3, 1, 2);
        Tensor y = RunFolded(x, folded, bias.to_type(x.dtype)).permute(0, 2, 3, 1).contiguous();
        return (relu ? y.relu() : y).MoveToOuterDisposeScope();
    }

    private static Tensor Launch(IReadOnlyList<Tensor> frames, Tensor packed, Tensor bias, bool relu)
    {
        using var scope = NewDisposeScope();
        Tensor[] parts = [.. frames.Chunk(Sm90CausalConvolutionKernel.MostFrames)
            .Select(part => Sm90CausalConvolutionKernel.RunEnlarged(part, packed, bias, relu: relu))];
        return (parts is [var only] ? only : cat(parts, 0)).MoveToOuterDisposeScope();
    }
}
