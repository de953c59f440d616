using TurboDiffusion.Operators.Convolution;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.TinyVae;

/// <summary>
/// The decoder of one clip on frames that lie channels last, for Hopper's convolution; its <see cref="TinyStack"/> is the plain form. A
/// memory block reads the frame before where it lies, a convolution ends in its activation, and enlarging, making frames of one and
/// narrowing, which nothing stands between, are one convolution of the small frame, their weights multiplied.
/// </summary>
internal sealed class TinyFrameDecoder : IDisposable
{
    private const int Kernel = 3;

    private readonly TinyLayer _clamp;
    private readonly ConvolutionWeights _first, _last;
    private readonly Level[] _levels;
    private readonly long _outputs;

    /// <summary>Prepares the weights, for as long as they do not change.</summary>
    /// <param name="decoder">
    /// Its layers: bounds of the latents, a convolution, its activation; of each level three memory blocks, an enlargement, one in time, a
    /// convolution; an activation, a convolution.
    /// </param>
    public TinyFrameDecoder(TinyStack decoder)
    {
        IReadOnlyList<TinyLayer> layers = decoder.Layers;
        _clamp = layers[0];
        _first = Prepare((TinyConv)layers[1]);
        _levels = [.. layers.Skip(3).Take(layers.Count - 5).Chunk(6).Select(level => new Level(
            [.. level.OfType<TinyMemoryBlock>().Select(Block.Of)], [.. Enlargements((TinyTime)level[4], (TinyConv)level[5])]))];
        var last = (TinyConv)layers[^1];
        _last = Prepare(last);
        _outputs = last.Weight.size(0);
    }

    /// <summary>Whether it runs for a clip: one of a batch, on Hopper, with as many channels as the kernel takes.</summary>
    /// <param name="latents">In the dtype of the weights and on their device, <c>[B, C, T, h, w]</c>.</param>
    /// <param name="config">The sizes.</param>
    public static bool Serves(Tensor latents, TinyVaeConfig config)
    {
        (int a, int b, int c, int d) = config.Widths;
        (long height, long width) = (latents.size(3) * config.SpatialFactor, latents.size(4) * config.SpatialFactor);
        return latents.size(0) == 1
            && new[] { a, b, c }.All(of => CausalConvolution.IsFastest(latents, (1, height, width), (of, of, 2, Kernel)))
            && new[] { (a, b), (b, c), (c, d) }.All(of =>
                UpsampleConvolution.IsFastest(latents, (height / 2, width / 2), of.Item1, of.Item2));
    }

    /// <summary>Bytes that a pixel of the output takes on the way: what the last convolution reads and gives.</summary>
    /// <param name="config">The sizes.</param>
    public static long BytesOfPixel(TinyVaeConfig config) => sizeof(ushort) * (config.Widths.Level3 + CausalConvolution.FewestOutputs);

    /// <summary>As <see cref="TinyStack.Run"/>, of one clip.</summary>
    /// <param name="latents"><c>[1, T, C, h, w]</c></param>
    /// <param name="memory">The clip's past.</param>
    /// <param name="cancellationToken">Checked before every layer.</param>
    /// <returns><c>[1, 4·T, O, 8·h, 8·w]</c>, a view of frames that lie channels last.</returns>
    public Tensor Run(Tensor latents, FrameMemory memory, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        Tensor bounded = CausalConvolution.Fill(_clamp.forward(latents, memory).squeeze(0).permute(0, 2, 3, 1).contiguous(), Kernel);
        Tensor x = Convolve(bounded.unbind(0), _first, relu: true);
        IReadOnlyList<Tensor> frames = [];
        for (int i = 0; i < _levels.Length; i++)
        {
            foreach (Block block in _levels[i].Blocks) x = Then(x, block.Run(x, memory));
            bool last = i == _levels.Length - 1;
            Tensor[] small = x.unbind(0);
            Tensor[] grown = [.. _levels[i].Enlargements.Select(w => UpsampleConvolution.RunFrames(small, w.Packed, w.Bias, last))];
            cancellationToken.ThrowIfCancellationRequested();
            // A frame's own come one after another. The last convolution reads them where they are.
            if (last) frames = [.. Enumerable.Range(0, small.Length).SelectMany(t => grown.Select(y => y[t]))];
            else x = Then(x, grown is [var only] ? only : stack(grown, 1).flatten(0, 1));
        }
        return Convolve(frames, _last, relu: false).narrow(3, 0, _outputs).permute(0, 3, 1, 2).unsqueeze(0).MoveToOuterDisposeScope();

        Tensor Then(Tensor former, Tensor next)
        {
            cancellationToken.ThrowIfCancellationRequested();
            former.Dispose();
            return next;
        }
    }

    public void Dispose()
    {
        _first.Dispose();
        _last.Dispose();
        foreach (Level level in _levels) level.Dispose();
    }

    private static Tensor Convolve(IReadOnlyList<Tensor> frames, ConvolutionWeights weights, bool relu, Tensor? residual = null,
        int past = 0) => CausalConvolution.Run(frames, frames.Count - past, weights.Packed, new(weights.Bias, residual, relu));

    private static ConvolutionWeights Prepare(TinyConv convolution)
    {
        using var scope = NewDisposeScope();
        return Prepare(convolution.Weight.unsqueeze(2), convolution.Bias);
    }

    private static ConvolutionWeights Prepare(Tensor weight, Tensor? bias)
    {
        using var scope = NewDisposeScope();
        return CausalConvolution.Prepare(weight, bias ?? weight.new_zeros(weight.size(0)));
    }

    // Of each frame that one becomes: (3×3) ∘ (1×1) ∘ enlargement.
    private static IEnumerable<ConvolutionWeights> Enlargements(TinyTime time, TinyConv convolution)
    {
        using var scope = NewDisposeScope();
        using IDisposable noGradient = no_grad();
        Tensor wide = convolution.Weight.to_type(ScalarType.Float32);
        return [.. time.Growths.Select(growth =>
        {
            Tensor both = einsum("okij,kc->ocij", wide, growth.to_type(ScalarType.Float32));
            Tensor packed = UpsampleConvolution.Pack(both).to_type(convolution.Weight.dtype);
            return ConvolutionWeights.Of(packed, both.new_zeros(both.size(0)), ScalarType.Float32);
        })];
    }

    private sealed record Level(Block[] Blocks, ConvolutionWeights[] Enlargements) : IDisposable
    {
        public void Dispose()
        {
            foreach (Block block in Blocks) block.Dispose();
            foreach (ConvolutionWeights weights in Enlargements) weights.Dispose();
        }
    }

    /// <summary>A memory block.</summary>
    private sealed record Block(TinyMemoryBlock Key, ConvolutionWeights First, ConvolutionWeights Second, ConvolutionWeights Third)
        : IDisposable
    {
        public static Block Of(TinyMemoryBlock block)
        {
            using var scope = NewDisposeScope();
            TinyConv[] convolutions = [.. block.Convolutions];
            // Channels of two frames, side by side, are two frames.
            Tensor side = convolutions[0].Weight.detach(), two = side.unflatten(1, [2, side.size(1) / 2]).flip(1).transpose(1, 2);
            return new(block, TinyFrameDecoder.Prepare(two, convolutions[0].Bias), TinyFrameDecoder.Prepare(convolutions[1]),
                TinyFrameDecoder.Prepare(convolutions[2]));
        }

        public Tensor Run(Tensor x, FrameMemory memory)
        {
            using var scope = NewDisposeScope();
            Tensor[] frames = x.unbind(0);
            Tensor? before = memory.Before(Key);
            Tensor y = Convolve(before is null ? frames : [before, .. frames], First, relu: true, past: before is null ? 0 : 1);
            memory.Keep(Key, frames[^1]);
            y = Convolve(y.unbind(0), Second, relu: true);
            return Convolve(y.unbind(0), Third, relu: true, residual: x).MoveToOuterDisposeScope();
        }

        public void Dispose()
        {
            First.Dispose();
            Second.Dispose();
            Third.Dispose();
        }
    }
}
