using TurboDiffusion.Checkpoints;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Operators.Normalization;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.UMT5;

/// <summary>
/// The umT5 encoder for machines that cannot hold it: every <see cref="Encode"/> reads the checkpoint block by block
/// into one block's memory. Same values as <see cref="UMT5Encoder"/>, bit for bit. umT5-xxl in float32 takes 0.8 GB
/// this way, and 2.1 GB for the moment in which the file's token table is read, in place of 23 GB.
/// </summary>
public sealed class StreamedUMT5Encoder : ITextEncoder
{
    private readonly ICheckpoint _checkpoint;
    private readonly Placement _placement;
    private readonly WeightFormat _weights;

    /// <summary>Creates the encoder, and checks every name and shape of the checkpoint; nothing is read yet.</summary>
    /// <param name="checkpoint">
    /// The weights under their official names, in any number format. It stays the caller's and must stay open.
    /// </param>
    /// <param name="config">Sizes.</param>
    /// <param name="placement">Device and dtype of the computation.</param>
    /// <param name="weights">The number format to run; float weights are quantized each time that they are read for int8.</param>
    /// <exception cref="CheckpointException">Names, shapes or types differ from those of the configuration.</exception>
    public StreamedUMT5Encoder(ICheckpoint checkpoint, UMT5Config config, Placement placement,
        WeightFormat weights = WeightFormat.Float)
    {
        _checkpoint = UMT5Checkpoint.Int8Layers.As(checkpoint, weights, placement.Device);
        _placement = placement;
        _weights = weights;
        Config = config;
        using var whole = new UMT5Encoder(config, Placement.Meta, weights);
        StrictLoader.Check(whole, _checkpoint);
    }

    /// <inheritdoc/>
    public UMT5Config Config { get; }

    /// <inheritdoc/>
    public Tensor Encode(Tensor ids, Tensor mask, CancellationToken cancellationToken = default) =>
        TextEmbedding.Compute(ids, mask, (i, m) => Hidden(i, m, cancellationToken));

    /// <summary>Does nothing: between calls the encoder holds no memory, and the checkpoint is the caller's.</summary>
    public void Dispose()
    {
    }

    private Tensor Hidden(Tensor ids, Tensor mask, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        using IDisposable inference = no_grad();
        Tensor padding = mask.to(_placement.Device).eq(0).unsqueeze(1).unsqueeze(1);
        Tensor buckets = RelativePosition.Buckets(ids.size(1), Config).to(_placement.Device);
        Tensor x = Tokens(ids);
        using (var block = new UMT5Block(Config, _weights, _placement))
        {
            for (long i = 0; i < Config.NumLayers; i++)
            {
                Load(block, $"blocks.{i}.", cancellationToken);
                Tensor next = block.forward(x, padding, buckets);
                x.Dispose();
                x = next;
            }
        }
        using var norm = new RmsNorm(Config.Dim, Config.Eps, _placement);
        Load(norm, "norm.", cancellationToken);
        return norm.forward(x).MoveToOuterDisposeScope();
    }

    /// <summary>The rows of the token table that the ids name, converted after they are gathered.</summary>
    private Tensor Tokens(Tensor ids)
    {
        using Tensor table = _checkpoint.Read("token_embedding.weight");
        using Tensor onCpu = ids.cpu();
        using Tensor rows = table[onCpu];
        return rows.to(_placement.Dtype, _placement.Device);
    }

    private void Load(nn.Module module, string prefix, CancellationToken cancellationToken)
    {
        using IDisposable inference = no_grad();
        foreach ((string name, Tensor target) in module.state_dict())
        {
            cancellationToken.ThrowIfCancellationRequested();
            using Tensor source = _checkpoint.Read(prefix + name);
            target.copy_(source);
        }
    }
}
