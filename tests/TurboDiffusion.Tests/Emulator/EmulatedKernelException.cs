namespace TurboDiffusion.Tests.Emulator;

/// <summary>A kernel did what hangs, or is undefined, on a GPU.</summary>
/// <param name="message">The kernel, and which thread did what.</param>
internal sealed class EmulatedKernelException(string message) : Exception(message);
