using TurboDiffusion.Operators;

namespace TurboDiffusion.Cli.Diagnosis;

/// <summary>What the native libraries say of themselves. See <see cref="NativeProbe"/>.</summary>
/// <param name="TorchVersion">libtorch's version; null where it does not load.</param>
/// <param name="TorchLibrary">The file that was loaded.</param>
/// <param name="Computes">Whether a small product came out right.</param>
/// <param name="TorchSeesGpu">Whether this libtorch can use a GPU.</param>
/// <param name="TorchError">Why it does not load or compute.</param>
/// <param name="Driver">The CUDA version of the NVIDIA driver; null where there is no driver.</param>
/// <param name="Gpus">The GPUs that the driver shows.</param>
/// <param name="DriverError">Why the driver does not answer.</param>
/// <param name="Kernels">Which form each operator takes on the first GPU.</param>
/// <param name="KernelError">Why that is not known.</param>
internal sealed record NativeState(
    string? TorchVersion, string? TorchLibrary, bool Computes, bool TorchSeesGpu, string? TorchError,
    string? Driver, IReadOnlyList<string> Gpus, string? DriverError, IReadOnlyList<OperatorReportEntry> Kernels, string? KernelError);
