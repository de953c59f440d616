using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Networks;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Data;

/// <summary>
/// Encoded videos with tokenised captions, all in one file and held on the device of training: for data sets that fit.
/// Captions are encoded as they are drawn, with gradients where the encoder's weights require them, so that the text encoder
/// can be trained along.
/// </summary>
public sealed class CaptionedLatents : ILatentData, IDisposable
{
    private const string LatentsName = "latents", CaptionsName = "captions", NegativeName = "negative";

    private readonly Tensor _latents, _captions, _negative;
    private readonly ITextEncoder _encoder;

    /// <summary>Reads a data set.</summary>
    /// <param name="path">A file that <see cref="Write"/> wrote.</param>
    /// <param name="encoder">The text encoder; not owned.</param>
    /// <param name="device">Where the latents are held.</param>
    /// <exception cref="CheckpointException">The file is broken or of another kind, or its tokens are not the encoder's.</exception>
    public CaptionedLatents(string path, ITextEncoder encoder, Device device)
    {
        using ICheckpoint file = Checkpoint.Open(path);
        IReadOnlyList<long> latents = Shape(LatentsName, 5), captions = Shape(CaptionsName, 3), negative = Shape(NegativeName, 1);
        if (latents[0] == 0 || captions[0] != latents[0] || captions[1] == 0 || negative[0] != captions[2])
            throw new CheckpointException(path,
                $"holds latents of [{string.Join(", ", latents)}], captions of [{string.Join(", ", captions)}] and a negative prompt of "
                    + $"{negative[0]} tokens; expected [N, C, T, H, W], [N, K, L] and L.");
        using var scope = NewDisposeScope();
        Tensor tokens = file.Read(CaptionsName).to_type(ScalarType.Int64), empty = file.Read(NegativeName).to_type(ScalarType.Int64);
        long largest = tokens.max().item<long>();
        if (tokens.min().item<long>() < 0 || largest >= encoder.Config.Vocab)
            throw new CheckpointException(path,
                $"has captions with the token {largest}, and the text encoder knows {encoder.Config.Vocab}; encode the data with the "
                    + "tokenizer of this encoder.");
        _latents = file.Read(LatentsName).to(device).DetachFromDisposeScope();
        _captions = tokens.DetachFromDisposeScope();
        _negative = empty.DetachFromDisposeScope();
        _encoder = encoder;

        IReadOnlyList<long> Shape(string name, int rank) =>
            file.Tensors.TryGetValue(name, out TensorInfo? info) && info.Shape.Count == rank ? info.Shape
                : throw new CheckpointException(path,
                    $"has no tensor '{name}' of {rank} dimensions; it is not a set of captioned latents.");
    }

    /// <summary>The number of videos.</summary>
    public long Count => _latents.size(0);

    /// <summary>Channels, frames, rows and columns of a video's latents.</summary>
    public IReadOnlyList<long> LatentShape => _latents.shape[1..];

    /// <summary>Writes a data set.</summary>
    /// <param name="path">A <c>.safetensors</c> file.</param>
    /// <param name="latents">Normalised latents, <c>[N, C, T, H, W]</c>.</param>
    /// <param name="captions">Token ids of K captions of each video, 0 past the end, int64 <c>[N, K, L]</c>.</param>
    /// <param name="negative">Token ids of the empty or negative prompt, int64 <c>[L]</c>.</param>
    public static void Write(string path, Tensor latents, Tensor captions, Tensor negative) => SafetensorsWriter.Write(path,
        [TensorSource.From(LatentsName, latents), TensorSource.From(CaptionsName, captions), TensorSource.From(NegativeName, negative)]);

    /// <inheritdoc/>
    public LatentBatch Draw(int count, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        Tensor chosen = tensor(RandomIndices.Draw(random, count, Count)),
            caption = tensor(RandomIndices.Draw(random, count, _captions.size(1)));
        Tensor ids = cat([_captions[chosen, caption], _negative.unsqueeze(0)]);
        // The empty prompt is encoded with the others, as one more row.
        Tensor text = _encoder.Encode(ids, ids.gt(0).to_type(ScalarType.Int64));
        Tensor negative = text.narrow(0, count, 1).expand(count, -1, -1);
        return new LatentBatch(
            _latents.index_select(0, chosen.to(_latents.device)).to_type(ScalarType.Float32).MoveToOuterDisposeScope(),
            new Condition(text.narrow(0, 0, count).MoveToOuterDisposeScope()),
            new Condition(negative.MoveToOuterDisposeScope()));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _latents.Dispose();
        _captions.Dispose();
        _negative.Dispose();
    }
}
