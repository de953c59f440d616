namespace TurboDiffusion.Runtime.Cuda;

/// <summary>A compiled kernel on a GPU. Loaded once for each GPU and program, and kept for the life of the process.</summary>
internal sealed unsafe class KernelFunction
{
    private const int InvalidImage = 200, NoBinaryForGpu = 209;
    private const int LocalSizeAttribute = 3, RegistersAttribute = 4;

    private static readonly OncePerKey<(CudaContext Context, KernelProgram Program), KernelFunction> Functions =
        new(k => new KernelFunction(k.Context, k.Program));

    private readonly CudaContext _context;
    private readonly KernelProgram _program;
    private readonly nint _function;
    // Dynamic shared memory asked for so far. What a launch has without asking depends on the kernel's static shared memory.
    private int _sharedBytes;

    private KernelFunction(CudaContext context, KernelProgram program)
    {
        _context = context;
        _program = program;
        Nvrtc compiler = Nvrtc.Instance ?? throw new EnvironmentException("nvrtc",
            $"There is no libnvrtc to compile the kernel {program.Name}: put its folder on LD_LIBRARY_PATH, or set "
                + $"{KernelSwitch.Variable}=off.");
        IReadOnlyDictionary<string, string> sources = KernelSources.Closure(program.Name);
        string key = program.Key(context.Architecture, compiler.Version, sources);
        byte[] Build()
        {
            KernelImage image = compiler.Compile(program, context.Architecture, sources);
            KernelCache.User.KeepLog(key, image.Log);
            return image.Code;
        }
        using var current = context.Enter();
        int result = Load(KernelCache.User.GetOrBuild(key, Build), out nint module);
        // Whole, and yet not for this GPU or driver.
        if (result is InvalidImage or NoBinaryForGpu) result = Load(KernelCache.User.Rebuild(key, Build), out module);
        CudaDriver.Check(result, $"cuModuleLoadData of {program}");
        CudaDriver.Check(CudaDriver.cuModuleGetFunction(out _function, module, program.Name), $"cuModuleGetFunction of {program}");
    }

    /// <summary>Registers of a thread.</summary>
    public int Registers => Attribute(RegistersAttribute);

    /// <summary>Bytes of a thread's local memory: spilled registers and arrays with a run-time index.</summary>
    public int LocalBytes => Attribute(LocalSizeAttribute);

    /// <summary>The function of a program on a device, compiled at the first call.</summary>
    /// <param name="context">The device's.</param>
    /// <param name="program">The program.</param>
    /// <exception cref="KernelCompilationException">It does not compile.</exception>
    /// <exception cref="EnvironmentException">There is no libnvrtc, or the driver refuses the machine code.</exception>
    public static KernelFunction Of(CudaContext context, KernelProgram program) => Functions.Of((context, program));

    /// <summary>Queues the kernel after torch's work so far.</summary>
    /// <param name="launch">The size.</param>
    /// <param name="arguments">The addresses of the arguments, in order.</param>
    /// <exception cref="EnvironmentException">The driver refuses the launch.</exception>
    public void Launch(KernelLaunch launch, void** arguments)
    {
        using var current = _context.Enter();
        if (launch.SharedBytes > _sharedBytes)
        {
            CudaDriver.Check(CudaDriver.cuFuncSetAttribute(_function, CudaDriver.MaxDynamicSharedBytes, launch.SharedBytes),
                $"{launch.SharedBytes} bytes of shared memory for {_program}");
            _sharedBytes = launch.SharedBytes;
        }
        CudaDriver.Check(CudaDriver.cuLaunchKernel(_function, (uint)launch.GridX, (uint)launch.GridY, 1, (uint)launch.Threads, 1, 1,
            (uint)launch.SharedBytes, CudaDriver.TorchStream, arguments, null), $"launch of {_program} with {launch}");
    }

    private static int Load(byte[] image, out nint module)
    {
        fixed (byte* pointer = image) return CudaDriver.cuModuleLoadData(out module, pointer);
    }

    private int Attribute(int attribute)
    {
        using var current = _context.Enter();
        CudaDriver.Check(CudaDriver.cuFuncGetAttribute(out int value, attribute, _function), $"cuFuncGetAttribute of {_program}");
        return value;
    }
}
