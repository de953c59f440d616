using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Operators.Convolution;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Vae;

/// <summary>
/// A 3D convolution that sees no future: an output frame depends on its own frame and those before it. Before a clip's
/// first frame there are zeros (or, with <c>valid</c>, nothing, and the output is shorter); before a later chunk there
/// are the last frames of the chunk before.
/// </summary>
internal sealed class CausalConv3d : VaeLayer
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    [ComponentName(Name = "bias")]
    private readonly Parameter _bias;

    private readonly long _kernelFrames;
    private readonly long _overlap;
    private readonly bool _valid;
    private readonly long[] _stride;
    private readonly long[] _padding;

    /// <param name="inChannels">Channels of the input.</param>
    /// <param name="outChannels">Channels of the output.</param>
    /// <param name="kernelFrames">Frames that the kernel spans.</param>
    /// <param name="kernelSize">Rows and columns that it spans, padded to keep the size.</param>
    /// <param name="placement">Device and dtype of the weights.</param>
    /// <param name="strideFrames">Input frames per output frame.</param>
    /// <param name="valid">No zeros before the first frame.</param>
    public CausalConv3d(
        long inChannels, long outChannels, long kernelFrames, long kernelSize, Placement placement,
        long strideFrames = 1, bool valid = false)
    {
        _kernelFrames = kernelFrames;
        _overlap = kernelFrames - strideFrames;
        _valid = valid;
        _stride = [strideFrames, 1, 1];
        _padding = [0, kernelSize / 2, kernelSize / 2];
        _weight = placement.Empty(outChannels, inChannels, kernelFrames, kernelSize, kernelSize);
        _bias = placement.Empty(outChannels);
        RegisterComponents();
    }

    /// <summary>The dtype of the weights, in which the convolution is computed.</summary>
    public ScalarType Dtype => _weight.dtype;

    // Rows, and columns, that the kernel spans.
    private long Size => _weight.size(3);

    /// <inheritdoc/>
    public override Tensor forward(Tensor input, CausalCache? cache)
    {
        if (TakesFrames(input, cache)) return InFrames(input, cache!);
        using var scope = NewDisposeScope();
        Tensor x = input;
        if (_overlap > 0)
        {
            if (cache?.Past(this) is { } past) x = cat([past, x], dim: 2);
            else if (!_valid) x = nn.functional.pad(x, [0, 0, 0, 0, _overlap, 0]);
            cache?.Keep(this, x.narrow(2, x.size(2) - _overlap, _overlap));
        }
        if (x.size(2) < _kernelFrames)
            return x.new_empty([x.size(0), _bias.size(0), 0, x.size(3), x.size(4)]).MoveToOuterDisposeScope();
        return TorchConvolution.Run(x, _weight, _bias, _stride, _padding).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// conv(silu(norm(x))). At full resolution these are the largest tensors: each is freed once it has been read. The chunks of a
    /// video go through frame by frame, or as windows of three frames.
    /// </summary>
    public Tensor AfterNorm(ChannelRmsNorm norm, Tensor input, CausalCache? cache)
    {
        if (TakesHead(input, cache)) return AfterNormAsHead(norm, input, cache!);
        if (TakesFrames(input, cache)) return Video(AfterNormInFrames(norm, ChannelsLast(input), cache!));
        if (TakesWindows(input, cache)) return AfterNormInWindows(norm, input, cache!);
        using Tensor normalised = norm.forward(input);
        using Tensor activated = nn.functional.silu(normalised);
        normalised.Dispose();
        return forward(activated, cache);
    }

    /// <summary>Whether <see cref="AfterNormInWindows"/> does it: the chunk of a single video, three frames of 3×3.</summary>
    internal bool TakesWindows(Tensor input, CausalCache? cache) =>
        cache is not null && input.size(0) == 1 && _kernelFrames == 3 && _stride[0] == 1 && _padding[1] == 1 && !_valid;

    /// <summary>
    /// <see cref="AfterNorm"/> of one video's chunk with its frames as channels: a convolution of two dimensions over each frame and
    /// the two before it. Video passes with the strides of channels last.
    /// </summary>
    /// <param name="norm">The norm.</param>
    /// <param name="input"><c>[1, C, T, H, W]</c></param>
    /// <param name="cache">The clip's past.</param>
    /// <param name="inputBias">Float32 <c>[C]</c>, still to be added to the input; or null.</param>
    /// <param name="biased">
    /// Whether the result has its bias; a pass of its own on a GPU, unless whoever reads the result adds <see cref="WideBias"/>.
    /// </param>
    /// <returns><c>[1, O, T, H, W]</c></returns>
    internal Tensor AfterNormInWindows(
        ChannelRmsNorm norm, Tensor input, CausalCache cache, Tensor? inputBias = null, bool biased = true)
    {
        using var scope = NewDisposeScope();
        WindowWeights weights = cache.Prepared(this, () => Windowed(norm));
        (Tensor windows, Tensor past) = CausalRmsSilu.Run(ChannelsLast(input), weights.Gamma, inputBias, cache.Past(this));
        cache.Take(this, past);
        Tensor y = TorchConvolution.Run(windows.permute(0, 3, 1, 2), weights.Weight, biased ? _bias : null, [1, 1], _padding[1..]);
        return y.unsqueeze(0).transpose(1, 2).MoveToOuterDisposeScope();
    }

    // Whether few channels are best computed in one pass.
    private bool TakesHead(Tensor input, CausalCache? cache) =>
        cache is not null && input.size(0) == 1 && _stride[0] == 1 && !_valid && CausalHead.IsFastest(input, _weight);

    /// <summary><see cref="AfterNorm"/> of a chunk, to few channels; kept are not frames, but what they add to those to come.</summary>
    /// <param name="norm">The norm.</param>
    /// <param name="input"><c>[1, C, T, H, W]</c></param>
    /// <param name="cache">The clip's past.</param>
    /// <returns><c>[1, O, T, H, W]</c></returns>
    internal Tensor AfterNormAsHead(ChannelRmsNorm norm, Tensor input, CausalCache cache)
    {
        using var scope = NewDisposeScope();
        CausalHead.Prepared layer = cache.Prepared(this, () => CausalHead.Prepare(_weight, _bias, norm.Factors));
        (Tensor y, Tensor next) = CausalHead.Run(ChannelsLast(input), layer, cache.Past(this));
        cache.Take(this, next);
        return y.unsqueeze(0).MoveToOuterDisposeScope();
    }

    /// <summary>Whether a chunk had better go through frame by frame: <see cref="CausalConvolution"/>.</summary>
    /// <param name="input"><c>[B, C, T, H, W]</c></param>
    /// <param name="cache">The clip's past, or null.</param>
    internal bool TakesFrames(Tensor input, CausalCache? cache) => cache is not null && input.size(0) == 1 && ReadsFrames(input);

    /// <summary>Whether chunks of single clips go through frame by frame.</summary>
    /// <param name="input"><c>[B, C, T, H, W]</c></param>
    internal bool ReadsFrames(Tensor input) => _valid == _stride[0] > 1 && CausalConvolution.IsFastest(input, _weight);

    /// <summary><see cref="AfterNorm"/> of a chunk's frames; nothing is put side by side.</summary>
    /// <param name="norm">The norm.</param>
    /// <param name="x"><c>[T, H, W, C]</c>, contiguous.</param>
    /// <param name="cache">The clip's past.</param>
    /// <returns><c>[T, H, W, O]</c></returns>
    internal Tensor AfterNormInFrames(ChannelRmsNorm norm, Tensor x, CausalCache cache)
    {
        using var scope = NewDisposeScope();
        return OfFrames(Normalised(norm, x, cache), null, cache).MoveToOuterDisposeScope();
    }

    /// <summary>silu(norm(x)), frame by frame, for <see cref="OfFrames"/>.</summary>
    /// <param name="norm">The norm.</param>
    /// <param name="x"><c>[T, H, W, C]</c>, contiguous.</param>
    /// <param name="cache">The clip's past.</param>
    /// <returns>T frames <c>[H, W, C']</c>, each with its own memory.</returns>
    internal IReadOnlyList<Tensor> Normalised(ChannelRmsNorm norm, Tensor x, CausalCache cache)
    {
        using var scope = NewDisposeScope();
        Tensor gamma = cache.Prepared(norm, () => norm.Factors.detach().DetachFromDisposeScope());
        return [.. RmsSilu.Run(x, gamma).Select(frame =>
            CausalConvolution.Fill(frame.unsqueeze(0), Size).squeeze(0).MoveToOuterDisposeScope())];
    }

    /// <summary>The bias in float32, once <see cref="AfterNormInWindows"/> has run.</summary>
    internal Tensor WideBias(CausalCache cache) =>
        cache.Prepared<WindowWeights>(this, () => throw new InvalidOperationException("The convolution has not run yet.")).Bias;

    /// <summary><c>[1, C, T, H, W]</c> as <c>[T, H, W, C]</c>, contiguous: a view where it lies so already.</summary>
    internal static Tensor ChannelsLast(Tensor video)
    {
        using var scope = NewDisposeScope();
        return video.squeeze(0).permute(1, 2, 3, 0).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary><c>[T, H, W, C]</c> as <c>[1, C, T, H, W]</c>: a view, in place of its handle.</summary>
    internal static Tensor Video(Tensor frames)
    {
        using var scope = NewDisposeScope();
        using Tensor handle = frames;
        return frames.permute(3, 0, 1, 2).unsqueeze(0).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// <see cref="forward"/> of a chunk's frames. What is kept of it is a part of it: chunks that are not normalised are small.
    /// </summary>
    /// <param name="input"><c>[1, C, T, H, W]</c></param>
    /// <param name="cache">The clip's past.</param>
    /// <returns><c>[1, O, T, H, W]</c> with the strides of channels last.</returns>
    internal Tensor InFrames(Tensor input, CausalCache cache)
    {
        using var scope = NewDisposeScope();
        Tensor x = CausalConvolution.Fill(ChannelsLast(input), Size);
        return Video(Convolve(x.size(0) > 0 ? x.unbind(0) : [], null, cache, x)).MoveToOuterDisposeScope();
    }

    /// <summary>The convolution of a chunk's frames.</summary>
    /// <param name="frames"><c>[H, W, C']</c> each, filled up for the operator, which nobody writes to.</param>
    /// <param name="residual"><c>[T, H, W, O]</c> to be added, or null.</param>
    /// <param name="cache">The clip's past.</param>
    /// <returns><c>[T, H, W, O]</c></returns>
    internal Tensor OfFrames(IReadOnlyList<Tensor> frames, Tensor? residual, CausalCache cache)
    {
        using Tensor chunk = frames[0].unsqueeze(0);
        return Convolve(frames, residual, cache, chunk);
    }

    // chunk [T, H, W, C'], for its size: there may be no frames.
    private Tensor Convolve(IReadOnlyList<Tensor> frames, Tensor? residual, CausalCache cache, Tensor chunk)
    {
        using var scope = NewDisposeScope();
        ConvolutionWeights weights = cache.Prepared(this, () => CausalConvolution.Prepare(_weight, _bias));
        IReadOnlyList<Tensor> all = cache.Advance(this, frames, (int)_overlap, scope);
        int stride = (int)_stride[0], count = _valid ? Math.Max(0, ((int)(all.Count - _kernelFrames) / stride) + 1) : frames.Count;
        Tensor y = count > 0
            ? CausalConvolution.RunLayer(all, count, weights, _bias.size(0), residual, stride)
            : chunk.new_empty([0, chunk.size(1), chunk.size(2), _bias.size(0)]);
        return y.MoveToOuterDisposeScope();
    }

    // [O, C, 3, 3, 3] to [O, 3·C, 3, 3], in memory [O, 3, 3, 3·C].
    private WindowWeights Windowed(ChannelRmsNorm norm)
    {
        using var scope = NewDisposeScope();
        Tensor weight = _weight.detach().permute(0, 3, 4, 2, 1).flatten(3).contiguous().permute(0, 3, 1, 2);
        return new WindowWeights(weight.DetachFromDisposeScope(), norm.Factors.detach().DetachFromDisposeScope(),
            _bias.detach().to(ScalarType.Float32, copy: true).DetachFromDisposeScope());
    }
}
