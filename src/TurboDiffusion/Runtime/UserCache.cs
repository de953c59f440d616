namespace TurboDiffusion.Runtime;

/// <summary>Where this user's caches are: compiled kernels, models.</summary>
internal static class UserCache
{
    /// <summary>
    /// <c>turbodiffusion</c> in <c>XDG_CACHE_HOME</c>, else in the system's folder for caches. Not necessarily there, or writable.
    /// </summary>
    public static string Folder => Path.Combine(
        Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } xdg ? xdg
        : OperatingSystem.IsWindows() ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile, Environment.SpecialFolderOption.DoNotVerify),
            ".cache"), "turbodiffusion");
}
