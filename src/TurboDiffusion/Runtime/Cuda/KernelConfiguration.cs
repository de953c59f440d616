namespace TurboDiffusion.Runtime.Cuda;

/// <summary>What a kernel's configuration function chose for a problem.</summary>
/// <param name="Program">The source with its constants.</param>
/// <param name="Launch">The size.</param>
internal sealed record KernelConfiguration(KernelProgram Program, KernelLaunch Launch);
