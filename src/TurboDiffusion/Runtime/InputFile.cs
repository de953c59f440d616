using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace TurboDiffusion.Runtime;

/// <summary>
/// Files that others made, for reading. Only regular files: a named pipe keeps its reader waiting for ever, and a device has no
/// end. Opened once, so that what was checked is what is read.
/// </summary>
/// <remarks>
/// Every failure is an <see cref="IOException"/> or an <see cref="UnauthorizedAccessException"/>, worded to follow "cannot be read:".
/// </remarks>
public static class InputFile
{
    private const int NoSuchFile = 2, NotPermitted = 1, NoAccess = 13; // ENOENT, EPERM, EACCES

    /// <summary>Opens a file.</summary>
    /// <param name="path">The file; links are followed.</param>
    /// <returns>For reading at any position; the caller disposes it.</returns>
    /// <exception cref="FileNotFoundException">There is nothing of this name.</exception>
    /// <exception cref="IOException">It is a folder, a pipe, a device or a socket, or cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static SafeFileHandle Open(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (path.Length == 0 || path.Contains('\0')) throw new IOException("its name is empty or has a character that no name can have");
        SafeFileHandle handle = OperatingSystem.IsLinux() ? OpenOnLinux(path) : OpenElsewhere(path);
        try
        {
            // Again on what is open: between two looks, the name may have come to lead elsewhere.
            if (OperatingSystem.IsLinux()) Require(LibC.KindOf(handle));
            RandomAccess.GetLength(handle);
            return handle;
        }
        catch (Exception e)
        {
            handle.Dispose();
            if (e is NotSupportedException) throw new IOException("it is not a regular file", e);
            throw;
        }
    }

    /// <summary>Reads a whole file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limit">The most bytes that it may have.</param>
    /// <exception cref="IOException">It is not a regular file, is larger, changed while it was read, or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static byte[] ReadBytes(string path, long limit)
    {
        using SafeFileHandle handle = Open(path);
        long length = RandomAccess.GetLength(handle);
        if (length > limit) throw new IOException($"it has {length} bytes; at most {limit} are read");
        byte[] bytes = new byte[length];
        for (int done = 0; done < bytes.Length;)
        {
            int read = RandomAccess.Read(handle, bytes.AsSpan(done), done);
            if (read == 0) throw new IOException("it became shorter while it was read");
            done += read;
        }
        return bytes;
    }

    /// <summary>Reads a whole text file: UTF-8, with or without its mark, or UTF-16 or UTF-32 with theirs.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limit">The most bytes that it may have.</param>
    /// <exception cref="IOException">As <see cref="ReadBytes"/>, or it is not such text.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static string ReadText(string path, long limit)
    {
        byte[] bytes = ReadBytes(path, limit);
        try
        {
            using var reader = new StreamReader(new MemoryStream(bytes), new UTF8Encoding(false, throwOnInvalidBytes: true),
                detectEncodingFromByteOrderMarks: true);
            return reader.ReadToEnd();
        }
        catch (DecoderFallbackException e)
        {
            throw new IOException("it is not text in UTF-8", e);
        }
    }

    private static SafeFileHandle OpenOnLinux(string path)
    {
        // Before opening: to open some devices is to make them do something.
        if (LibC.KindOf(path) is { } kind) Require(kind);
        SafeFileHandle handle = LibC.Open(path, LibC.ReadNonBlocking);
        if (!handle.IsInvalid) return handle;
        int error = Marshal.GetLastPInvokeError();
        handle.Dispose();
        string reason = Marshal.GetPInvokeErrorMessage(error);
        throw error switch
        {
            NoSuchFile => new FileNotFoundException("it does not exist"),
            NotPermitted or NoAccess => new UnauthorizedAccessException(reason),
            _ => new IOException(reason),
        };
    }

    private static SafeFileHandle OpenElsewhere(string path)
    {
        if (Directory.Exists(path)) Require(FileKind.Folder);
        try
        {
            return File.OpenHandle(path);
        }
        catch (DirectoryNotFoundException)
        {
            throw new FileNotFoundException("it does not exist");
        }
    }

    private static void Require(FileKind? kind)
    {
        if (kind is null or FileKind.Regular) return;
        throw new IOException($"it is {kind switch
        {
            FileKind.Folder => "a folder",
            FileKind.Pipe => "a named pipe",
            FileKind.Socket => "a socket",
            _ => "a device",
        }}, not a file");
    }
}
