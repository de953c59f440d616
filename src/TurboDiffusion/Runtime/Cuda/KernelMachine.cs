namespace TurboDiffusion.Runtime.Cuda;

/// <summary>What the choice between kernel and plain form depends on.</summary>
/// <param name="SwitchedOn">What <see cref="KernelSwitch"/> says.</param>
/// <param name="Driver">The driver's CUDA version, 13000 for 13.0; null where there is no driver.</param>
/// <param name="Gpu">The GPU's compute capability, 90 for 9.0; null where there is no GPU.</param>
/// <param name="Compiler">libnvrtc's version, as the driver's; null where there is no libnvrtc.</param>
/// <param name="CompilerGpus">The compute capabilities that libnvrtc compiles for.</param>
internal sealed record KernelMachine(bool SwitchedOn, int? Driver, int? Gpu, int? Compiler, IReadOnlyList<int> CompilerGpus)
{
    private const int OldestGpu = 80;

    /// <summary>The machine at hand.</summary>
    /// <param name="device">The GPU's number.</param>
    public static KernelMachine Probe(int device)
    {
        bool on = KernelSwitch.Parse(Environment.GetEnvironmentVariable(KernelSwitch.Variable));
        (int? driver, int? gpu) = CudaDriver.Ask(device);
        Nvrtc? nvrtc = Nvrtc.Instance;
        return new KernelMachine(on, driver, gpu, nvrtc?.Version, nvrtc?.ComputeCapabilities ?? []);
    }

    /// <summary>The one place that chooses between an operator's kernel and its plain form.</summary>
    /// <param name="kernel">The operator.</param>
    public KernelPath Choose(KernelOperator kernel)
    {
        KernelPath Plain(KernelReason reason, string explanation) => new(kernel, reason, explanation);
        if (!SwitchedOn) return Plain(KernelReason.SwitchedOff, $"the kernels are experimental and off; {KernelSwitch.Variable}=on tries them");
        if (Driver is not { } driver || Gpu is not { } gpu) return Plain(KernelReason.NoGpu, "no NVIDIA GPU and driver answer");
        if (gpu < OldestGpu) return Plain(KernelReason.OldGpu, $"the GPU is sm_{gpu}, and the kernels need sm_{OldestGpu} (Ampere) or later");
        if (Compiler is not { } compiler)
            return Plain(KernelReason.NoCompiler, "there is no libnvrtc: put the folder of the one that came with libtorch on LD_LIBRARY_PATH");
        if (!CompilerGpus.Contains(gpu))
            return Plain(KernelReason.OldCompiler, $"libnvrtc {Version(compiler)} does not know sm_{gpu}: use a libtorch for a later CUDA");
        // Within a major version, the driver runs what any compiler of it made.
        if (driver / 1000 < compiler / 1000)
            return Plain(KernelReason.OldDriver, $"the driver is for CUDA {Version(driver)}, libnvrtc for {Version(compiler)}: update the driver");
        return new KernelPath(kernel, KernelReason.Chosen, $"compiled for {KernelArchitecture.Name(gpu)} by libnvrtc {Version(compiler)}");
    }

    private static string Version(int number) => $"{number / 1000}.{number % 1000 / 10}";
}
