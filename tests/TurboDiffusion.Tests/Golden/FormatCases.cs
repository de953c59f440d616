using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Lora;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Golden;

/// <summary>A LoRA merged into a base: the tensors that it changes, and that no other one changes.</summary>
public sealed class LoraCase : IGoldenRunner
{
    public string Kind => "lora";

    public void Run(GoldenCase golden)
    {
        using var lora = LoraFile.Open(golden.File(golden.Config.GetProperty("lora").GetString()!));
        using var merged = new LoraCheckpoint(Checkpoint.Open(golden.File(golden.Config.GetProperty("base").GetString()!)),
            [(lora, golden.Config.GetProperty("strength").GetDouble())]);
        using ICheckpoint before = Checkpoint.Open(golden.File(golden.Config.GetProperty("base").GetString()!));
        Assert.NotEmpty(golden.Tensors);
        Assert.Equal(golden.Tensors.Count, merged.ChangedTensors);
        foreach (string name in before.Tensors.Keys)
            if (golden.Has("output::" + name)) golden.Check("output::" + name, merged.Read(name));
            else Comparison.Exact(before.Read(name), merged.Read(name), name);

        // The file's own names of layers, each of which is a module with what stands before every name.
        string[] ignored = [.. golden.Config.GetProperty("ignored").EnumerateArray().Select(e => LoraKey.Parse(e + ".diff")!.Module)];
        Assert.Equal(ignored.Order(), LoraMatch.Of(lora.Layers, before.Tensors).Ignored.Order());
        Assert.Equal(ignored.Length > 0 ? 1 : 0, merged.Warnings.Count);
    }
}

/// <summary>A GGUF file of every type: each tensor as float32, in its own shape.</summary>
public sealed class GgufCase : IGoldenRunner
{
    public string Kind => "gguf";

    public void Run(GoldenCase golden)
    {
        using ICheckpoint file = Checkpoint.Open(golden.File(golden.Config.GetProperty("file").GetString()!));
        Assert.Equal(golden.Tensors.Keys.Order(StringComparer.Ordinal),
            file.Tensors.Keys.Select(n => "output::" + n).Order(StringComparer.Ordinal));
        foreach (string name in file.Tensors.Keys)
        {
            Tensor value = file.Read(name);
            Assert.Equal(file.Tensors[name].Shape, value.shape);
            golden.Check("output::" + name, value);
        }
    }
}

/// <summary>Scaled 8-bit floats of one layout: each tensor as float32.</summary>
public sealed class Fp8Case : IGoldenRunner
{
    public string Kind => "fp8";

    public void Run(GoldenCase golden)
    {
        using ICheckpoint file = ScaledCheckpoint.Of(Checkpoint.Open(golden.File(golden.Config.GetProperty("file").GetString()!)));
        Assert.Equal(golden.Tensors.Keys.Order(StringComparer.Ordinal),
            file.Tensors.Keys.Select(n => "output::" + n).Order(StringComparer.Ordinal));
        foreach (string name in file.Tensors.Keys) golden.Check("output::" + name, file.Read(name));
    }
}
