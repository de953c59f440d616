using TurboDiffusion.Runtime;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Runtime;

/// <summary>What the processor says of itself is what Linux says of it.</summary>
public class ConvolutionDtypeTests
{
    [Fact]
    public void Convolutions_on_the_CPU_are_in_bfloat16_where_it_multiplies_that()
    {
        const string processors = "/proc/cpuinfo";
        Assert.SkipUnless(File.Exists(processors), $"there is no {processors}");
        string flagged = File.ReadLines(processors).FirstOrDefault(line => line.StartsWith("flags", StringComparison.Ordinal)) ?? "";
        string[] flags = flagged.Split(' ');
        bool multiplies = flags.Contains("avx512bw") && (flags.Contains("avx512_bf16") || flags.Contains("amx_bf16"));
        Assert.Equal(multiplies ? ScalarType.BFloat16 : ScalarType.Float32, Devices.ConvolutionDtype(CPU));
        Assert.Equal(ScalarType.Float32, Devices.DefaultDtype(CPU));
    }
}
