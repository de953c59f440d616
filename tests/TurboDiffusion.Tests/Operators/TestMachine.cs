using TorchSharp;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Tests.Emulator;
using Xunit;

namespace TurboDiffusion.Tests.Operators;

/// <summary>What a test of a kernel runs it on.</summary>
public enum TestMachine
{
    /// <summary>The CPU, by <see cref="EmulatedGpu"/>.</summary>
    Emulator,

    /// <summary>The GPU at hand.</summary>
    Gpu,
}

/// <summary>While it lives, kernels run on a machine.</summary>
internal sealed class TestDevice : IDisposable
{
    private readonly IDisposable? _substitute;

    private TestDevice(torch.Device device, IDisposable? substitute) => (Device, _substitute) = (device, substitute);

    /// <summary>Where the tensors are.</summary>
    public torch.Device Device { get; }

    /// <summary>A machine that runs kernels, or a skip where it is not there.</summary>
    public static TestDevice Of(TestMachine machine, KernelForm form = KernelForm.Portable)
    {
        if (machine == TestMachine.Gpu)
            return new(form == KernelForm.Sm90 ? KernelConformance.RequireSm90() : KernelConformance.RequireGpu(), null);
        Assert.SkipUnless(HostCompiler.IsPresent, "there is no g++ on the PATH, which the emulator compiles the kernels with");
        return new(torch.CPU, KernelDevice.Substitute(new EmulatedGpu()));
    }

    public void Dispose() => _substitute?.Dispose();
}
