using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TurboDiffusion.Runtime;

/// <summary>Whether a disk has what was written.</summary>
internal static class Disk
{
    // EROFS, EINVAL, ENOTSUP: what is no file on a disk has nothing to be kept.
    private static readonly int[] NothingToKeep = [30, 22, 95];
    private const int Interrupted = 4; // EINTR

    /// <summary>
    /// Waits until the disk has all of a file. Network drives, some quotas and broken disks say only now what they did not take.
    /// </summary>
    /// <remarks>
    /// .NET 10's own <c>Flush(flushToDisk: true)</c> loses that error on Linux: it looks for a negative result and is given 1.
    /// </remarks>
    /// <exception cref="IOException">The disk does not have it.</exception>
    public static void Flush(FileStream file)
    {
        file.Flush();
        Flush(file.SafeFileHandle, file.Name);
    }

    /// <summary>Waits until the disk has all of a file.</summary>
    /// <param name="file">The file, open for writing.</param>
    /// <param name="path">Its name, for the error.</param>
    /// <exception cref="IOException">The disk does not have it.</exception>
    public static void Flush(SafeFileHandle file, string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            RandomAccess.FlushToDisk(file);
            return;
        }
        int error;
        do error = LibC.Synchronize(file);
        while (error == Interrupted);
        if (error != 0 && !NothingToKeep.Contains(error))
            throw new IOException($"{Marshal.GetPInvokeErrorMessage(error)} : '{path}'", error);
    }
}
