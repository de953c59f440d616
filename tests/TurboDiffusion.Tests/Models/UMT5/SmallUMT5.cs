using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Tests.Models.UMT5;

/// <summary>A small encoder with random bfloat16 weights, as a checkpoint in memory.</summary>
internal sealed class SmallUMT5 : ICheckpoint
{
    public static readonly UMT5Config Config = new(vocab: 50, dim: 32, dimAttn: 16, dimFfn: 48, numHeads: 2, numLayers: 3);

    private readonly Dictionary<string, torch.Tensor> _values = [];

    public SmallUMT5()
    {
        using var generator = new torch.Generator(7);
        using var module = new UMT5Encoder(Config, Placement.Meta);
        foreach ((string name, torch.Tensor tensor) in module.state_dict())
        {
            double scale = tensor.dim() == 2 && !name.Contains("embedding") ? Math.Pow(tensor.shape[1], -0.5) : 1;
            _values[name] = (torch.randn(tensor.shape, generator: generator) * scale).to(torch.ScalarType.BFloat16)
                .DetachFromDisposeScope();
        }
        Tensors = _values.ToDictionary(v => v.Key, v => new TensorInfo(v.Key, v.Value.dtype, v.Value.shape));
    }

    public string Path => "small-umt5";

    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    public IReadOnlyDictionary<string, string> Metadata => new Dictionary<string, string>();

    /// <summary>The names asked for, in order.</summary>
    public List<string> Reads { get; } = [];

    public torch.Tensor Read(string name)
    {
        Reads.Add(name);
        return _values[name].clone();
    }

    /// <summary>Ids and mask of texts of the given lengths, padded to a length.</summary>
    public static (torch.Tensor Ids, torch.Tensor Mask) Batch(long padded, params long[] lengths)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor mask = torch.stack([.. lengths.Select(n => torch.arange(padded).lt(n).to(torch.ScalarType.Int64))]);
        torch.Tensor ids = (torch.arange(lengths.Length * padded).reshape(lengths.Length, padded) * 7 % (Config.Vocab - 1) + 1) * mask;
        return (ids.MoveToOuterDisposeScope(), mask.MoveToOuterDisposeScope());
    }

    public void Dispose()
    {
        foreach (torch.Tensor value in _values.Values) value.Dispose();
    }
}
