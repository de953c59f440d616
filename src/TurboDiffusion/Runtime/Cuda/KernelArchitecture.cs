namespace TurboDiffusion.Runtime.Cuda;

/// <summary>The compiler's names of GPU generations.</summary>
internal static class KernelArchitecture
{
    /// <summary>Hopper with the instructions that only it has.</summary>
    public const string Sm90 = "sm_90a";

    private const int Hopper = 90;

    /// <summary>What to compile for: the GPU itself, and on Hopper with the instructions that only it has.</summary>
    /// <param name="computeCapability">90 for 9.0.</param>
    public static string Name(int computeCapability) => computeCapability == Hopper ? Sm90 : $"sm_{computeCapability}";
}
