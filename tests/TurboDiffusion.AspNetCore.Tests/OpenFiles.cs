namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>What this process, which is the service too, has open.</summary>
internal static class OpenFiles
{
    /// <summary>Whether it has a file of a video open.</summary>
    public static bool Has(string id) => Directory.GetFiles("/proc/self/fd").Any(file =>
    {
        try
        {
            return File.ResolveLinkTarget(file, returnFinalTarget: false)?.FullName.Contains(id, StringComparison.Ordinal) ?? false;
        }
        catch (IOException)
        {
            return false;
        }
    });
}
