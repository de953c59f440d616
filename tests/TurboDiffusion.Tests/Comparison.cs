using System.Globalization;
using System.Text.Json;
using TorchSharp;
using Xunit;

namespace TurboDiffusion.Tests;

/// <summary>The one comparator: fails on NaN and infinity, and names the worst coordinate with both values.</summary>
public static class Comparison
{
    /// <summary>Compares by a golden tolerance: <c>rtol</c> and <c>atol</c> elementwise, or <c>rel_l2</c>.</summary>
    public static void Close(torch.Tensor expected, torch.Tensor actual, JsonElement tolerance, string what)
    {
        if (tolerance.TryGetProperty("rel_l2", out JsonElement relative))
            RelativeL2(expected, actual, relative.GetDouble(), what);
        else
            Elementwise(expected, actual, tolerance.GetProperty("rtol").GetDouble(), tolerance.GetProperty("atol").GetDouble(), what);
    }

    /// <summary>|actual − expected| ≤ atol + rtol·|expected| everywhere.</summary>
    public static void Elementwise(torch.Tensor expected, torch.Tensor actual, double rtol, double atol, string what)
    {
        using var scope = torch.NewDisposeScope();
        (torch.Tensor e, torch.Tensor a) = Prepare(expected, actual, what);
        torch.Tensor excess = (a - e).abs() - (atol + rtol * e.abs());
        if (e.numel() == 0 || excess.max().item<double>() <= 0) return;
        long worst = excess.flatten().argmax().item<long>();
        Assert.Fail(string.Create(CultureInfo.InvariantCulture,
            $"{what}: {excess.gt(0).sum().item<long>()} of {e.numel()} elements differ by more than rtol {rtol}, atol {atol}; " +
            $"worst at {Coordinate(worst, expected.shape)}: expected {e.flatten()[worst].item<double>():G9}, got "
                + $"{a.flatten()[worst].item<double>():G9}"));
    }

    /// <summary>‖actual − expected‖ / ‖expected‖ ≤ limit. Returns the figure.</summary>
    public static double RelativeL2(torch.Tensor expected, torch.Tensor actual, double limit, string what)
    {
        using var scope = torch.NewDisposeScope();
        (torch.Tensor e, torch.Tensor a) = Prepare(expected, actual, what);
        double difference = (a - e).norm().item<double>(), norm = e.norm().item<double>();
        double relative = difference == 0 ? 0 : difference / norm;
        if (relative <= limit) return relative;
        long worst = (a - e).abs().flatten().argmax().item<long>();
        Assert.Fail(string.Create(CultureInfo.InvariantCulture,
            $"{what}: relative L2 error {relative:G4}, limit {limit}; " +
            $"worst at {Coordinate(worst, expected.shape)}: expected {e.flatten()[worst].item<double>():G9}, got "
                + $"{a.flatten()[worst].item<double>():G9}"));
        return relative;
    }

    /// <summary>Every element the same.</summary>
    public static void Exact(torch.Tensor expected, torch.Tensor actual, string what) => Elementwise(expected, actual, 0, 0, what);

    private static (torch.Tensor Expected, torch.Tensor Actual) Prepare(torch.Tensor expected, torch.Tensor actual, string what)
    {
        Assert.True(expected.shape.SequenceEqual(actual.shape),
            $"{what}: expected shape [{string.Join(", ", expected.shape)}], got [{string.Join(", ", actual.shape)}]");
        torch.Tensor e = expected.detach().cpu().to(torch.ScalarType.Float64), a = actual.detach().cpu().to(torch.ScalarType.Float64);
        Assert.True(e.isfinite().all().item<bool>(), $"{what}: the expected values are not all finite");
        Assert.True(a.isfinite().all().item<bool>(),
            $"{what}: {a.isfinite().logical_not().sum().item<long>()} of {a.numel()} values are NaN or infinite");
        return (e, a);
    }

    private static string Coordinate(long flat, long[] shape)
    {
        var at = new long[shape.Length];
        for (int i = shape.Length - 1; i >= 0; i--)
        {
            at[i] = flat % shape[i];
            flat /= shape[i];
        }
        return $"[{string.Join(", ", at)}]";
    }
}
