using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace TurboDiffusion.Tests.Media;

/// <summary>A disk of its own with little room, in memory; the test is skipped where none can be mounted.</summary>
internal sealed class SmallDisk : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly bool _mounted;

    public SmallDisk(int kilobytes)
    {
        _mounted = OperatingSystem.IsLinux()
            && Run("mount", "-t", "tmpfs", "-o", string.Create(CultureInfo.InvariantCulture, $"size={kilobytes}k"), "tmpfs", _folder.Path);
        if (_mounted) return;
        _folder.Dispose();
        Assert.Skip("A disk in memory can be mounted by root on Linux only.");
    }

    /// <summary>Its folder.</summary>
    public string Path => _folder.Path;

    /// <summary>The room that is left, in bytes.</summary>
    public long Free => new DriveInfo(Path).AvailableFreeSpace;

    public string File(string name) => _folder.File(name);

    /// <summary>Everything on it, hidden files and those in folders too, with their sizes.</summary>
    public string[] Content =>
    [
        .. Directory.EnumerateFileSystemEntries(Path, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 })
            .Select(e => $"{System.IO.Path.GetRelativePath(Path, e)} {(System.IO.File.Exists(e) ? new FileInfo(e).Length : 0)}")
            .Order(StringComparer.Ordinal),
    ];

    public void Dispose()
    {
        if (!_mounted) return;
        Run("umount", "-l", Path);
        _folder.Dispose();
    }

    private static bool Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
