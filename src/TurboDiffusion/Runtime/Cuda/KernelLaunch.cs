namespace TurboDiffusion.Runtime.Cuda;

/// <summary>The size of a launch.</summary>
/// <param name="GridX">Thread blocks along x.</param>
/// <param name="GridY">Thread blocks along y.</param>
/// <param name="Threads">Threads of a block.</param>
/// <param name="SharedBytes">Dynamic shared memory of a block.</param>
internal readonly record struct KernelLaunch(int GridX, int GridY, int Threads, int SharedBytes);
