using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>Which form an operator takes for a problem.</summary>
/// <param name="Operator">The operator.</param>
/// <param name="Problem">The problem in words, such as <c>q, k, v: [32760, 1536] · [1536, 1536]</c>.</param>
/// <param name="Choice">The form, and why.</param>
public sealed record KernelReportEntry(KernelOperator Operator, string Problem, KernelChoice Choice)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Operator} ({Problem}): {Choice}";
}

/// <summary>Which form each operator of a transformer takes: the operators' own choices, not a copy of them.</summary>
public static class KernelReport
{
    /// <summary>The forms on a GPU, for a model in bfloat16 with int8 weights.</summary>
    /// <param name="config">The model's dimensions.</param>
    /// <param name="attention">Its self-attention.</param>
    /// <param name="tokens">Tokens of a video, such as 32760 for 81 frames of 832×480.</param>
    /// <param name="device">The GPU's number.</param>
    /// <exception cref="InvalidRequestException"><see cref="KernelSwitch"/> has a value that it does not know.</exception>
    public static IReadOnlyList<KernelReportEntry> Of(WanConfig config, AttentionOptions attention, long tokens, int device = 0) =>
        Of(config, attention, tokens, kernel => KernelMachine.Offer(kernel, device));

    /// <summary>As above, of what is offered.</summary>
    internal static IReadOnlyList<KernelReportEntry> Of(
        WanConfig config, AttentionOptions attention, long tokens, Func<KernelOperator, KernelChoice> offer)
    {
        const ScalarType dtype = ScalarType.BFloat16;
        long dim = config.Dim, ffn = config.FfnDim;
        KernelReportEntry Quantize(string what, long columns, bool normalises) =>
            new(KernelOperator.BlockInt8Quantize, $"{what}: [{tokens}, {columns}]",
            BlockInt8QuantizeKernel.Choose(offer(KernelOperator.BlockInt8Quantize), new(tokens, columns, dtype, normalises)));
        KernelReportEntry Product(string what, long columns, long depth, Int8MatmulKernel.Epilogue epilogue) =>
            new(KernelOperator.Int8Matmul,
            $"{what}: [{tokens}, {depth}] · [{depth}, {columns}]",
            Int8MatmulKernel.Choose(offer(KernelOperator.Int8Matmul), new(tokens, columns, depth, dtype, epilogue)));
        KernelReportEntry? operation = attention.Kind == AttentionKind.Dense ? null
            : new(KernelOperator.Attention, $"attention: {tokens} tokens, {config.NumHeads} heads of {config.HeadDim}",
                AttentionKernels.Choose(offer(KernelOperator.Attention), new(1, tokens, config.NumHeads, config.HeadDim,
                    attention.QueryBlock, attention.KeyBlock, dtype, Kind: attention.Kind)));
        // Without kernels of its own, attention is given normalised and rotated q and k.
        KernelReportEntry? rotation = operation is { Choice.IsKernel: true } ? null
            : new(KernelOperator.RmsNormRotary, $"norms and rotation of q, k: [{tokens}, {dim}]",
                RmsNormRotaryKernel.Choose(offer(KernelOperator.RmsNormRotary), new(tokens, dim, config.HeadDim, dtype)));
        return
        [
            Quantize("norms", dim, normalises: true),
            Product("q, k, v", dim, dim, Int8MatmulKernel.Epilogue.Bias),
            .. new[] { rotation, operation }.OfType<KernelReportEntry>(),
            Quantize("attention's output", dim, normalises: false),
            Product("o", dim, dim, Int8MatmulKernel.Epilogue.GatedResidual),
            Product("ffn.0 with GELU", ffn, dim, Int8MatmulKernel.Epilogue.GeluQuantize),
            Product("ffn.2", dim, ffn, Int8MatmulKernel.Epilogue.GatedResidual),
        ];
    }
}
