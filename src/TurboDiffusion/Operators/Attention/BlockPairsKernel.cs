using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Attention;

/// <summary>
/// The key blocks of the highest scores of two neighbouring query blocks as one list, those that both have first:
/// <c>native/attention/block_pairs.cu</c>.
/// </summary>
internal static unsafe class BlockPairsKernel
{
    /// <summary>Numbers of an entry: the key block, for whom, and two scales.</summary>
    public const int EntrySize = 4;

    private const string Name = "block_pairs";
    private const int Threads = 128, Warp = 32;

    /// <summary>The lists.</summary>
    /// <param name="Entries">
    /// int32 <c>[B, H, pairs, 2·kept, 4]</c>: a key block, whom it is for (1: the first query block of the pair, 2: the second, 3: both),
    /// and the bits of the float32 scales of its keys and values.
    /// </param>
    /// <param name="Lengths">How many entries count, int32 <c>[B, H, pairs]</c>.</param>
    public readonly record struct Result(Tensor Entries, Tensor Lengths);

    /// <summary>How a problem is run; few programs serve all sizes.</summary>
    /// <param name="sequences">Sequences times heads.</param>
    /// <param name="pairs">Pairs of query blocks.</param>
    /// <param name="columns">Key blocks, as <see cref="BlockTopKKernel.Supports"/>.</param>
    public static KernelConfiguration Configure(long sequences, long pairs, long columns) => new(
        new KernelProgram(Name, $"ITEMS={BlockTopKKernel.Items(columns)}"),
        new KernelLaunch((int)((pairs + Threads / Warp - 1) / (Threads / Warp)), (int)sequences, Threads, 0));

    /// <summary>Chooses.</summary>
    /// <param name="scores">bfloat16 <c>[B, H, query blocks, key blocks]</c>.</param>
    /// <param name="kept">How many each query block keeps.</param>
    /// <param name="keyScales">Float32 <c>[B, H, key blocks]</c>.</param>
    /// <param name="valueScales">As the keys'.</param>
    public static Result Run(Tensor scores, int kept, Tensor keyScales, Tensor valueScales)
    {
        using var scope = NewDisposeScope();
        long batch = scores.shape[0], heads = scores.shape[1], queryBlocks = scores.shape[2], keyBlocks = scores.shape[3];
        long pairs = (queryBlocks + 1) / 2;
        (KernelProgram program, KernelLaunch launch) = Configure(batch * heads, pairs, keyBlocks);
        Tensor input = scores.contiguous(), entries = empty([batch, heads, pairs, 2 * kept, EntrySize], ScalarType.Int32, scores.device),
            lengths = empty([batch, heads, pairs], ScalarType.Int32, scores.device);
        void* source = KernelOperand.Address(input, ScalarType.BFloat16, scores.shape);
        void* keys = KernelOperand.Address(keyScales, ScalarType.Float32, batch, heads, keyBlocks);
        void* values = KernelOperand.Address(valueScales, ScalarType.Float32, batch, heads, keyBlocks);
        void* entriesAddress = KernelOperand.Address(entries, ScalarType.Int32, entries.shape);
        void* lengthsAddress = KernelOperand.Address(lengths, ScalarType.Int32, lengths.shape);
        int rows = (int)queryBlocks, columns = (int)keyBlocks, count = kept;
        void** arguments = stackalloc void*[]
        {
            &source, &keys, &values, &entriesAddress, &lengthsAddress, &rows, &columns, &count,
        };
        KernelDevice.Of(scores.device).Launch(program, launch, arguments);
        return new Result(entries.MoveToOuterDisposeScope(), lengths.MoveToOuterDisposeScope());
    }
}
