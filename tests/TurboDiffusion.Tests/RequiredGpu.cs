using TorchSharp;
using Xunit;

namespace TurboDiffusion.Tests;

/// <summary>
/// What tests of the GPU ask for: skipped, saying why, where it is not there; failed where <c>TURBODIFFUSION_REQUIRE_GPU=1</c> says
/// that this run is on a machine that has it.
/// </summary>
internal static class RequiredGpu
{
    public const string Variable = "TURBODIFFUSION_REQUIRE_GPU";

    /// <summary>Skips or fails where libtorch sees no GPU.</summary>
    public static void Check() => Check(torch.cuda.is_available(), "libtorch sees no GPU on this machine");

    /// <summary>Skips or fails where something of the GPU is missing that every GPU of ours has.</summary>
    public static void Check(bool present, string reason)
    {
        if (!present && Environment.GetEnvironmentVariable(Variable) == "1") Assert.Fail($"{Variable}=1, but {reason}.");
        Assert.SkipUnless(present, reason);
    }
}
