using System.Globalization;
using TorchSharp;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Tests.Operators;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Golden;

/// <summary>
/// The transformer's golden cases on a GPU, in the very forms that a user's video runs in: fused, in kernels where the sizes suit them.
/// </summary>
[Trait("Category", "Gpu")]
public class DitGpuTests
{
    // Of a product in another order, and of a block chosen otherwise or a value rounded the other way.
    private const double FloatLimit = 1e-3, QuantizedLimit = 0.06;

    public static TheoryData<string> Cases =>
        [.. GoldenFixtures.Cases("dit-wan2*", "dit-small*").Where(f => !f.Contains("ti2v", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_velocity_is_reproduced(string path)
    {
        Device device = KernelConformance.RequireGpu();
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using IDisposable kernels = KernelSwitch.Use(Enum.GetValues<KernelOperator>());
        using var golden = new GoldenCase(path);
        bool narrow = golden.Config.TryGetProperty("dtype", out var dtype) && dtype.GetString() == "bfloat16";
        using WanModel model = DitCase.Load(golden.Config, golden.Weights(),
            new Placement(device, narrow ? ScalarType.BFloat16 : ScalarType.Float32));
        using CrossContext text = model.PrepareContext(golden.Input("context").to(device),
            golden.Has("input::image") ? golden.Input("image").to(device) : null);
        Tensor v = model.Forward(golden.Input("x").to(device), golden.Input("t").flatten().to(device), text,
            golden.Has("input::y") ? golden.Input("y").to(device) : null);
        double limit = golden.Tolerance.TryGetProperty("rel_l2", out var relative) ? relative.GetDouble() : FloatLimit;
        if (model.Weights == WeightFormat.Int8) limit = Math.Max(limit, QuantizedLimit);
        double error = Comparison.RelativeL2(golden.Output("v"), v, limit, Path.GetFileName(path));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{Path.GetFileName(path)} on the GPU: relative L2 {error:G3} (limit {limit:G2})"));
    }
}
