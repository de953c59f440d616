using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TurboDiffusion.Runtime;

/// <summary>What .NET does not offer of Linux's C library. Numbers are those of Linux on x64 and arm64.</summary>
internal static partial class LibC
{
    /// <summary>Opens for reading, without waiting for the other end of a pipe.</summary>
    public const int ReadNonBlocking = 0x800 | 0x80000; // O_NONBLOCK | O_CLOEXEC

    public const int LockShared = 1, LockExclusive = 2, LockNonBlocking = 4;

    /// <summary>The error of a lock that another has, also of .NET's own (<see cref="Exception.HResult"/>).</summary>
    public const int IsLocked = 11; // EWOULDBLOCK

    private const int CurrentFolder = -100; // AT_FDCWD
    private const int EmptyPath = 0x1000; // AT_EMPTY_PATH
    private const uint Type = 1; // STATX_TYPE
    private const uint Exchange = 2; // RENAME_EXCHANGE
    private const int ModeOffset = 28, StatxBytes = 256;

    /// <summary>
    /// Opens a file or folder; an invalid handle where that fails, and <see cref="Marshal.GetLastPInvokeError"/> says why.
    /// </summary>
    public static SafeFileHandle Open(string path, int flags) => new(open(path, flags), ownsHandle: true);

    /// <summary>Locks an open file or folder until it is closed. False where another has it.</summary>
    public static bool TryLock(SafeFileHandle handle, int operation) => flock(handle, operation | LockNonBlocking) == 0;

    /// <summary>Waits until the disk has all of an open file. 0, or the number of the error.</summary>
    public static int Synchronize(SafeFileHandle handle) => fsync(handle) == 0 ? 0 : Marshal.GetLastPInvokeError();

    /// <summary>The type of what a path leads to, or null where that cannot be told.</summary>
    public static FileKind? KindOf(string path) => KindOf(CurrentFolder, path, 0);

    /// <summary>The type of what is open, or null where that cannot be told.</summary>
    public static FileKind? KindOf(SafeFileHandle handle)
    {
        bool added = false;
        try
        {
            handle.DangerousAddRef(ref added);
            return KindOf((int)handle.DangerousGetHandle(), "", EmptyPath);
        }
        finally
        {
            if (added) handle.DangerousRelease();
        }
    }

    /// <summary>Swaps two files or folders in one step. False where the file system cannot.</summary>
    public static bool TrySwap(string a, string b) => renameat2(CurrentFolder, a, CurrentFolder, b, Exchange) == 0;

    /// <summary>
    /// Sets a variable of the process's own environment, which libraries in C read and .NET's does not reach, unless it is set.
    /// </summary>
    public static bool TrySetVariable(string name, string value) => setenv(name, value, overwrite: 0) == 0;

    private static unsafe FileKind? KindOf(int folder, string path, int flags)
    {
        byte* status = stackalloc byte[StatxBytes];
        return statx(folder, path, flags, Type, status) == 0 ? (FileKind)(*(ushort*)(status + ModeOffset) & 0xf000) : null;
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(SafeFileHandle handle, int operation);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fsync(SafeFileHandle handle);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static unsafe partial int statx(int folder, string path, int flags, uint mask, byte* status);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int renameat2(int oldFolder, string oldPath, int newFolder, string newPath, uint flags);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int setenv(string name, string value, int overwrite);
}
