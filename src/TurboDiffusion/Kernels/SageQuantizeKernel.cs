using TurboDiffusion.Kernels.Compilation;
using static TorchSharp.torch;

namespace TurboDiffusion.Kernels;

/// <summary>q or k to int8 with a scale per block and head, and the blocks' means, in one pass: <c>native/sage_quantize.cu</c>.</summary>
internal static unsafe class SageQuantizeKernel
{
    private const string Name = "sage_quantize";
    private const int HeadDim = 128;
    private const int Threads = 256;

    /// <summary>How a problem is run.</summary>
    /// <param name="length">Tokens of a sequence.</param>
    /// <param name="sequences">Sequences times heads.</param>
    /// <param name="block">Tokens of a block, 64 or 128.</param>
    public static KernelConfiguration Configure(long length, long sequences, int block) => new(
        new KernelProgram(Name, $"BLOCK={block}"), new KernelLaunch((int)((length + block - 1) / block), (int)sequences, Threads, 0));

    /// <summary>Quantizes and pools.</summary>
    /// <param name="x">bfloat16 <c>[B, L, H, 128]</c>.</param>
    /// <param name="mean">What is taken off first, bfloat16 <c>[B, 1, H, 128]</c>, or null.</param>
    /// <param name="block">Tokens of a block.</param>
    /// <returns>int8 <c>[B, H, L, 128]</c>, float32 scales <c>[B, H, blocks]</c>, bfloat16 means <c>[B, H, blocks, 128]</c>.</returns>
    public static (Tensor Values, Tensor Scales, Tensor Pooled) Run(Tensor x, Tensor? mean, int block)
    {
        using var scope = NewDisposeScope();
        long batch = x.shape[0], tokens = x.shape[1], headCount = x.shape[2];
        (KernelProgram program, KernelLaunch launch) = Configure(tokens, batch * headCount, block);
        Tensor input = x.contiguous();
        Tensor values = empty([batch, headCount, tokens, HeadDim], ScalarType.Int8, x.device);
        Tensor scales = empty([batch, headCount, launch.GridX], ScalarType.Float32, x.device);
        Tensor pooled = empty([batch, headCount, launch.GridX, HeadDim], ScalarType.BFloat16, x.device);
        void* source = KernelOperand.Address(input, ScalarType.BFloat16, batch, tokens, headCount, HeadDim);
        void* offset = mean is null ? null : KernelOperand.Address(mean, ScalarType.BFloat16, batch, 1, headCount, HeadDim);
        void* valuesAddress = KernelOperand.Address(values, ScalarType.Int8, values.shape);
        void* scalesAddress = KernelOperand.Address(scales, ScalarType.Float32, scales.shape);
        void* pooledAddress = KernelOperand.Address(pooled, ScalarType.BFloat16, pooled.shape);
        int length = (int)tokens, heads = (int)headCount;
        void** arguments = stackalloc void*[] { &source, &offset, &valuesAddress, &scalesAddress, &pooledAddress, &length, &heads };
        KernelFunction.Of(x.device, program).Launch(launch, arguments);
        return (values.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope(), pooled.MoveToOuterDisposeScope());
    }
}
