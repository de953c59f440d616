using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>The state of the linear branch with the projection in it: <c>native/attention/sage_state.cu</c>.</summary>
internal static unsafe class SageStateKernel
{
    private const string Name = "sage_state";
    private const int HeadDim = SageOperand.HeadDim, Threads = 256, Features = 16;

    /// <summary>How a problem is run.</summary>
    /// <param name="sequences">Sequences times heads.</param>
    public static KernelConfiguration Configure(long sequences) =>
        new(new KernelProgram(Name), new KernelLaunch(HeadDim / Features, (int)sequences, Threads, 0));

    /// <summary>Adds up the parts and projects: S = Σ parts, M = W·Sᵀ.</summary>
    /// <param name="products">Parts of S, float32 <c>[B, H, chunks, features, values]</c>.</param>
    /// <param name="sums">Parts of z, float32 <c>[B, H, chunks, features]</c>.</param>
    /// <param name="weight">W, float32 <c>[outputs, values]</c>.</param>
    /// <returns>M, bfloat16 <c>[B, H, outputs, features]</c>, and z, float32 <c>[B, H, features]</c>.</returns>
    public static (Tensor Mix, Tensor FeatureSums) Run(Tensor products, Tensor sums, Tensor weight)
    {
        long batch = products.size(0), headCount = products.size(1), parts = products.size(2);
        (KernelProgram program, KernelLaunch launch) = Configure(batch * headCount);
        Tensor mix = empty([batch, headCount, HeadDim, HeadDim], ScalarType.BFloat16, products.device);
        Tensor total = empty([batch, headCount, HeadDim], ScalarType.Float32, products.device);
        void* productsAddress = KernelOperand.Address(products, ScalarType.Float32, batch, headCount, parts, HeadDim, HeadDim);
        void* sumsAddress = KernelOperand.Address(sums, ScalarType.Float32, batch, headCount, parts, HeadDim);
        void* weightAddress = KernelOperand.Address(weight, ScalarType.Float32, HeadDim, HeadDim);
        void* mixAddress = KernelOperand.Address(mix, ScalarType.BFloat16);
        void* totalAddress = KernelOperand.Address(total, ScalarType.Float32);
        int chunks = (int)parts;
        void** arguments = stackalloc void*[] { &productsAddress, &sumsAddress, &weightAddress, &mixAddress, &totalAddress, &chunks };
        KernelDevice.Of(products.device).Launch(program, launch, arguments);
        return (mix, total);
    }
}
