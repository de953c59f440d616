using TorchSharp;
using TurboDiffusion.Sampling;
using Xunit;

namespace TurboDiffusion.Tests.Golden;

/// <summary>Draws of PyTorch's CUDA generator, given in part: the head, and every 997th value.</summary>
public sealed class NoiseRunner : IGoldenRunner
{
    public string Kind => "noise_cuda";

    public void Run(GoldenCase golden)
    {
        Assert.Equal((132, 2048), (golden.Config.GetProperty("multi_processor_count").GetInt32(),
            golden.Config.GetProperty("max_threads_per_mp").GetInt32()));
        long[] Shape(string name) => [.. golden.Config.GetProperty(name).EnumerateArray().Select(d => d.GetInt64())];
        IEnumerable<ulong> seeds = golden.Tensors.Keys.Select(k => k["output::seed".Length..k.IndexOf('.', StringComparison.Ordinal)])
            .Distinct().Select(ulong.Parse);
        foreach (ulong seed in seeds)
        {
            var source = new PhiloxNoise(seed);
            torch.Tensor first = source.Normal(Shape("shape")), second = source.Normal(Shape("shape"));
            CheckPart(golden, $"output::seed{seed}.first", first);
            CheckPart(golden, $"output::seed{seed}.second", second);
            golden.Check($"output::seed{seed}.small", new PhiloxNoise(seed).Normal(Shape("small")));
        }
    }

    private static void CheckPart(GoldenCase golden, string name, torch.Tensor draw)
    {
        torch.Tensor flat = draw.flatten();
        int parts = 0;
        foreach (string part in golden.Tensors.Keys.Where(k => k.StartsWith(name + ".", StringComparison.Ordinal)))
        {
            string slice = part[(name.Length + 1)..];
            golden.Check(part, slice == "head"
                ? flat.slice(0, 0, golden.Tensors[part].Shape[0], 1)
                : flat.slice(0, 0, flat.numel(), int.Parse(slice["stride".Length..])));
            parts++;
        }
        Assert.True(parts > 0, $"the case holds nothing of {name}");
    }
}
