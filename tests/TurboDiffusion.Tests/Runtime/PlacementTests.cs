using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Runtime;

public class PlacementTests
{
    [Fact]
    public void Weights_outlive_the_dispose_scope_they_were_made_in_and_die_with_their_module()
    {
        FloatLinear layer;
        using (NewDisposeScope()) layer = new FloatLinear(3, 4, Placement.Cpu);
        Assert.False(layer.Weight.IsInvalid);
        layer.Dispose();
        Assert.True(layer.Weight.IsInvalid);
    }

    [Fact]
    public void Meta_takes_no_memory()
    {
        using var layer = new FloatLinear(1_000_000, 1_000_000, Placement.Meta);
        Assert.Equal([1_000_000, 1_000_000], layer.Weight.shape);
    }
}
