using System.Runtime.CompilerServices;
using TorchSharp;
using Xunit.Sdk;
using Xunit.v3;

// Tests that count live tensors need the process to themselves.
[assembly: Parallelization(Mode = ParallelMode.None)]

internal static class Threads
{
    // The models are so small that handing work to other threads takes longer than doing it.
    [ModuleInitializer]
    internal static void UseOne() => torch.set_num_threads(1);
}
