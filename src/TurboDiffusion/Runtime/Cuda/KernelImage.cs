namespace TurboDiffusion.Runtime.Cuda;

/// <summary>What the compiler made of a program.</summary>
/// <param name="Code">A cubin.</param>
/// <param name="Log">
/// What the compiler said of it, such as that it serialised instructions that should overlap; empty where it said nothing.
/// </param>
internal sealed record KernelImage(byte[] Code, string Log);
