namespace TurboDiffusion.Runtime;

/// <summary>
/// How libtorch's threads wait for one another between the pieces of an operation. By OpenMP's default they spin, which on a machine that
/// has something else to do takes the processor from the very thread that they wait for.
/// </summary>
internal static class OpenMP
{
    private const string Policy = "OMP_WAIT_POLICY", Spins = "GOMP_SPINCOUNT";

    // Of a thread that waits, before it sleeps: some microseconds, in which another that is at work is often done. Ten times as many take
    // twice the time on a busy machine (docs/reliability.md).
    private const string Looks = "1000";

    // With one of these, the user has chosen.
    private static readonly string[] Chosen = [Policy, Spins, "KMP_BLOCKTIME", "KMP_LIBRARY"];

    /// <summary>
    /// Lets waiting threads sleep, unless the environment says how they are to wait. Works before libtorch is loaded: its OpenMP
    /// library reads the variables of the C environment, which .NET's do not reach, when it is loaded and never again.
    /// </summary>
    public static void LetWaitingThreadsSleep()
    {
        if (!OperatingSystem.IsLinux() || Chosen.Any(name => Environment.GetEnvironmentVariable(name) is not null)) return;
        LibC.TrySetVariable(Policy, "passive");
        LibC.TrySetVariable(Spins, Looks);
    }
}
