using TorchSharp.Modules;
using TorchSharp.Utils;
using TurboDiffusion.Runtime;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.UMT5;

/// <summary>A table of vectors, looked up by row number: int64 <c>[...]</c> → <c>[..., dim]</c>.</summary>
internal sealed class EmbeddingTable : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;

    public EmbeddingTable(long rows, long dim, Placement placement)
        : base(nameof(EmbeddingTable))
    {
        _weight = placement.Empty(rows, dim);
        RegisterComponents();
    }

    public override Tensor forward(Tensor index) => _weight[index];
}
