using TorchSharp;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Convolution;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators;

/// <summary>Which form each operator of a model takes: the operators' own choices, not a copy of them.</summary>
public static class OperatorReport
{
    /// <summary>The forms of a transformer's block on a GPU.</summary>
    /// <param name="block">What the operators are given.</param>
    /// <param name="attention">The attention operator.</param>
    /// <param name="weights">The number format of the linear layers; libtorch's own products of float weights are not listed.</param>
    /// <param name="device">The GPU's number.</param>
    /// <exception cref="InvalidRequestException"><see cref="KernelSwitch"/> has a value that it does not know.</exception>
    public static IReadOnlyList<OperatorReportEntry> Of(
        BlockShape block, AttentionOptions attention, WeightFormat weights, int device = 0) =>
        Of(block, attention, weights, kernel => KernelMachine.Offer(kernel, device));

    /// <summary>The forms of a level of the VAE on a GPU.</summary>
    /// <param name="level">What the operators are given.</param>
    /// <param name="device">The GPU's number.</param>
    /// <exception cref="InvalidRequestException"><see cref="KernelSwitch"/> has a value that it does not know.</exception>
    public static IReadOnlyList<OperatorReportEntry> Of(FrameShape level, int device = 0) =>
        Of(level, kernel => KernelMachine.Offer(kernel, device));

    /// <summary>
    /// Whether all of a block's operators with int8 weights are accelerated: run in kernels. Cross-attention is torch's one where it is
    /// not ours.
    /// </summary>
    /// <param name="block">What the operators are given.</param>
    /// <param name="attention">The attention operator.</param>
    /// <param name="device">Where.</param>
    /// <exception cref="InvalidRequestException"><see cref="KernelSwitch"/> has a value that it does not know.</exception>
    public static bool IsAccelerated(BlockShape block, AttentionOptions attention, Device device) =>
        device.type == DeviceType.CUDA
        && IsAccelerated(block, attention, kernel => KernelMachine.Offer(kernel, Math.Max(device.index, 0)));

    /// <summary>As above, of what is offered.</summary>
    internal static bool IsAccelerated(BlockShape block, AttentionOptions attention, Func<KernelOperator, KernelChoice> offer) =>
        Of(block, attention, WeightFormat.Int8, offer)
            .All(entry => entry.Choice.IsKernel || entry.Operator == KernelOperator.CrossAttention);

    /// <summary>As above, of what is offered.</summary>
    internal static IReadOnlyList<OperatorReportEntry> Of(
        BlockShape block, AttentionOptions attention, WeightFormat weights, Func<KernelOperator, KernelChoice> offer)
    {
        (long tokens, long dim, long ffn, long heads, ScalarType dtype) = block;
        OperatorReportEntry Quantize(string what, long columns, bool normalises) => new(KernelOperator.BlockInt8Quantize,
            $"{what}: [{tokens}, {columns}]",
            BlockInt8QuantizeKernel.Choose(offer(KernelOperator.BlockInt8Quantize), new(tokens, columns, dtype, normalises)));
        OperatorReportEntry Product(string what, long columns, long depth, Int8MatmulKernel.Epilogue epilogue) => new(
            KernelOperator.Int8Matmul, $"{what}: [{tokens}, {depth}] · [{depth}, {columns}]",
            Int8MatmulKernel.Choose(offer(KernelOperator.Int8Matmul), new(tokens, columns, depth, dtype, epilogue)));
        OperatorReportEntry? operation = attention.Kind == AttentionKind.Dense ? null
            : new(KernelOperator.Attention, $"attention: {tokens} tokens, {heads} heads of {block.HeadDim}",
                AttentionKernels.Choose(offer(KernelOperator.Attention), new(1, tokens, heads, block.HeadDim,
                    attention.QueryBlock, attention.KeyBlock, dtype, Kind: attention.Kind)));
        // Without kernels of its own, attention is given normalised and rotated q and k.
        OperatorReportEntry? rotation = operation is { Choice.IsKernel: true } ? null
            : new(KernelOperator.RmsNormRotary, $"norms and rotation of q, k: [{tokens}, {dim}]",
                RmsNormRotaryKernel.Choose(offer(KernelOperator.RmsNormRotary), new(tokens, dim, block.HeadDim, dtype)));
        OperatorReportEntry text = new(KernelOperator.CrossAttention,
            $"cross-attention: {tokens} tokens to {Sm90CrossAttentionKernel.MostKeys} of a text",
            Sm90CrossAttentionKernel.Choose(offer(KernelOperator.CrossAttention), block.HeadDim, dtype, Sm90CrossAttentionKernel.MostKeys));
        OperatorReportEntry[] attentions = [.. new[] { rotation, operation, text }.OfType<OperatorReportEntry>()];
        return weights == WeightFormat.Float ? attentions :
        [
            Quantize("norms", dim, normalises: true),
            Product("q, k, v", dim, dim, Int8MatmulKernel.Epilogue.Bias),
            .. attentions,
            Quantize("attention's output", dim, normalises: false),
            Product("o", dim, dim, Int8MatmulKernel.Epilogue.GatedResidual),
            Product("ffn.0 with GELU", ffn, dim, Int8MatmulKernel.Epilogue.GeluQuantize),
            Product("ffn.2", dim, ffn, Int8MatmulKernel.Epilogue.GatedResidual),
        ];
    }

    /// <summary>As above, of what is offered.</summary>
    internal static IReadOnlyList<OperatorReportEntry> Of(FrameShape level, Func<KernelOperator, KernelChoice> offer)
    {
        (long frames, long height, long width, long channels, long from, long to, long pixel, ScalarType dtype) = level;
        string shape = $"[{frames}, {height}, {width}, {channels}]";
        KernelChoice Convolution(long rows, long columns, long inputs, long outputs, long kernelFrames, long kernel) =>
            CausalConvolution.Choose(offer(KernelOperator.CausalConvolution),
                new(frames, rows, columns, inputs, outputs, kernelFrames, kernel, dtype));
        return
        [
            new(KernelOperator.CausalConvolution, $"convolution: {shape}", Convolution(height, width, channels, channels, 3, 3)),
            new(KernelOperator.CausalConvolution, $"halved, as the encoder does: {shape}",
                DownsampleConvolution.Choose(offer(KernelOperator.CausalConvolution),
                    DownsampleConvolution.Halved(height, width, channels, channels, dtype))),
            // Where the convolution is torch's.
            new(KernelOperator.CausalRmsSilu, $"norm, SiLU, windows of frames: {shape}",
                CausalRmsSiluKernel.Choose(offer(KernelOperator.CausalRmsSilu), new(frames, height * width, channels, dtype))),
            new(KernelOperator.BiasResidual, $"sum with the residual: {shape}",
                BiasResidualKernel.Choose(offer(KernelOperator.BiasResidual), new(frames * height * width * channels, channels, dtype))),
            new(KernelOperator.UpsampleConvolution, $"enlarged: [{frames}, {height / 2}, {width / 2}, {from}] to {to} channels",
                UpsampleConvolution.Choose(offer(KernelOperator.UpsampleConvolution),
                    Convolution(height / 2, width / 2, from, to, 1, 2))),
            new(KernelOperator.CausalHead, $"norm, SiLU, convolution to pixels: {shape}",
                CausalHeadKernel.Choose(offer(KernelOperator.CausalHead), new(frames, height, width, channels, pixel, 3, 3, dtype))),
        ];
    }
}
