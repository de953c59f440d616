using System.Runtime.InteropServices;
using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.Tests.Emulator;

/// <summary>A kernel as a library of the host, which has one launch at a time.</summary>
internal sealed unsafe class EmulatedKernel(KernelProgram program)
{
    private readonly Lock _lock = new();

    private readonly delegate* unmanaged<uint, uint, uint, uint, void**, byte*> _launch =
        (delegate* unmanaged<uint, uint, uint, uint, void**, byte*>)NativeLibrary.GetExport(
            NativeLibrary.Load(HostCompiler.Build(program)), "launch");

    /// <summary>Runs it to its end.</summary>
    /// <param name="size">The size.</param>
    /// <param name="arguments">The addresses of the arguments, in order.</param>
    /// <exception cref="EmulatedKernelException">The kernel did what it must not.</exception>
    public void Launch(KernelLaunch size, void** arguments)
    {
        lock (_lock)
        {
            string error = Marshal.PtrToStringUTF8(
                (nint)_launch((uint)size.GridX, (uint)size.GridY, (uint)size.Threads, (uint)size.SharedBytes, arguments))!;
            if (error.Length > 0) throw new EmulatedKernelException($"{program}, {size}: {error}");
        }
    }
}
