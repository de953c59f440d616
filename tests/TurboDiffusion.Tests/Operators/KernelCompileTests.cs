using System.Collections.Concurrent;
using TurboDiffusion.Runtime.Cuda;
using Xunit;

namespace TurboDiffusion.Tests.Operators;

/// <summary>The portable kernels compile for the GPUs that they are for; a compile needs no such GPU.</summary>
[Trait("Category", "Gpu")]
public class KernelCompileTests
{
    [Theory]
    [InlineData("sm_80")]
    [InlineData("sm_86")]
    [InlineData("sm_89")]
    [InlineData("sm_90a")]
    [InlineData("sm_100")]
    [InlineData("sm_120")]
    public void Every_kernel_compiles(string architecture)
    {
        KernelConformance.RequireGpu();
        Nvrtc compiler = Assert.IsType<Nvrtc>(Nvrtc.Instance);
        IEnumerable<KernelProgram> programs = KernelPrograms.All.Where(p =>
            architecture == "sm_90a" ? p.Name.StartsWith("sm90_", StringComparison.Ordinal)
                : !p.Name.StartsWith("sm90_", StringComparison.Ordinal));
        var faults = new ConcurrentBag<string>();
        Parallel.ForEach(programs, program =>
        {
            try
            {
                KernelImage image = compiler.Compile(program, architecture, KernelSources.Closure(program.Name));
                if (image.Code.Length == 0) faults.Add($"{program}: no code");
                // Matrix products whose instructions wait for one another run at a fraction of the rate, and the compiler only mentions it.
                if (image.Log.Contains("serializ", StringComparison.OrdinalIgnoreCase)) faults.Add($"{program}: {image.Log.Trim()}");
            }
            catch (KernelCompilationException e)
            {
                faults.Add(e.Message);
            }
        });
        if (!faults.IsEmpty) Assert.Fail($"{faults.Count} programs:\n{string.Join("\n", faults.Order(StringComparer.Ordinal))}");
    }
}
