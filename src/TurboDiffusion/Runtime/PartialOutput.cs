using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace TurboDiffusion.Runtime;

/// <summary>
/// A file or folder that is being written: under a hidden name beside the one that is wanted, which it takes by a rename when it
/// is complete. Disposed before that, it leaves nothing, and what had the wanted name stays as it was.
/// </summary>
/// <remarks>
/// It is locked while its writer lives. What a process left that was killed is locked by nobody, and is removed by the next
/// process that writes into the folder.
/// </remarks>
internal sealed class PartialOutput : IDisposable
{
    private const string Prefix = ".turbodiffusion-", Suffix = ".partial";
    private const int Attempts = 5;

    // A service writes into a new folder for each job. To look at one again costs no more than listing it.
    private const int FoldersRemembered = 1000;

    private static readonly ConcurrentDictionary<string, bool> Swept = new(StringComparer.Ordinal);

    private readonly string _target;
    private readonly IDisposable? _lock;
    private readonly string? _firstMadeFolder;
    private readonly bool _isFolder;
    private bool _ended;

    private PartialOutput(string target, bool isFolder, long length)
    {
        _target = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(target));
        _isFolder = isFolder;
        Folder = System.IO.Path.GetDirectoryName(_target) ?? throw new IOException("it is the root of the file system");
        _firstMadeFolder = FirstMissing(Folder);
        try
        {
            Directory.CreateDirectory(Folder);
            Sweep(Folder);
            (Path, _lock, Stream) = Create(length);
        }
        catch
        {
            RemoveMadeFolders();
            throw;
        }
    }

    /// <summary>Where it is written.</summary>
    public string Path { get; }

    /// <summary>Its name, without the folder. Nothing of the user's is in it, so it needs no quoting anywhere.</summary>
    public string Name => System.IO.Path.GetFileName(Path);

    /// <summary>The folder that it is in.</summary>
    public string Folder { get; }

    /// <summary>The file; null for a folder.</summary>
    public FileStream? Stream { get; }

    /// <summary>Begins a file. Folders that are missing are made.</summary>
    /// <param name="target">The wanted name.</param>
    /// <param name="length">Its bytes, where they are known: the room is taken at once.</param>
    /// <exception cref="IOException">It cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be made.</exception>
    public static PartialOutput OfFile(string target, long length = 0) => new(target, isFolder: false, length);

    /// <summary>Begins a folder. Folders that are missing above it are made.</summary>
    /// <param name="target">The wanted name.</param>
    /// <exception cref="IOException">It cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be made.</exception>
    public static PartialOutput OfFolder(string target) => new(target, isFolder: true, 0);

    /// <summary>A name of the kind that is removed when nobody has it locked.</summary>
    public static string NewName() => $"{Prefix}{Guid.NewGuid():n}{Suffix}";

    /// <summary>Puts the output in its place, once the disk has all of it.</summary>
    /// <param name="overwrite">Whether what is there may be replaced.</param>
    /// <exception cref="IOException">The disk does not take it, or the name is taken.</exception>
    /// <exception cref="UnauthorizedAccessException">The name may not be taken.</exception>
    public void Commit(bool overwrite)
    {
        ObjectDisposedException.ThrowIf(_ended, this);
        if (Stream is not null) Disk.Flush(Stream);
        if (_isFolder) CommitFolder(overwrite);
        else File.Move(Path, _target, overwrite);
        _ended = true;
        _lock?.Dispose();
    }

    /// <summary>Puts one file of the folder in its place, once the disk has all of it, and removes the folder.</summary>
    /// <remarks>
    /// So another program writes: in a folder that is gone when its writer was killed, where it can leave nothing.
    /// </remarks>
    /// <param name="name">The file.</param>
    /// <param name="overwrite">Whether what is there may be replaced.</param>
    /// <exception cref="IOException">The disk does not take it, or the name is taken.</exception>
    /// <exception cref="UnauthorizedAccessException">The name may not be taken.</exception>
    public void CommitFile(string name, bool overwrite)
    {
        ObjectDisposedException.ThrowIf(_ended, this);
        string file = System.IO.Path.Combine(Path, name);
        using (SafeFileHandle written = File.OpenHandle(file, FileMode.Open, FileAccess.ReadWrite)) Disk.Flush(written, file);
        File.Move(file, _target, overwrite);
        _ended = true;
        Remove(Path);
        _lock?.Dispose();
    }

    /// <summary>Removes what there is of it, unless it is in its place.</summary>
    public void Dispose()
    {
        if (_ended) return;
        _ended = true;
        Remove(Path);
        _lock?.Dispose();
        RemoveMadeFolders();
    }

    /// <summary>
    /// Removes what writers that were killed left in a folder. As a rule once for each folder: those of this process end in order.
    /// </summary>
    internal static void Sweep(string folder)
    {
        if (Swept.Count > FoldersRemembered) Swept.Clear();
        if (!Swept.TryAdd(folder, true)) return;
        try
        {
            foreach (string path in Directory.EnumerateFileSystemEntries(folder, Prefix + "*" + Suffix))
                RemoveAbandoned(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A folder that cannot be listed can still be written into.
        }
    }

    private (string Path, IDisposable? Lock, FileStream? Stream) Create(long length)
    {
        for (int attempt = 1; ; attempt++)
        {
            string path = System.IO.Path.Combine(Folder, NewName());
            IDisposable? taken = null;
            try
            {
                FileStream? stream = _isFolder ? null : Make(path, length);
                taken = _isFolder ? LockedFolder(path) : stream;
                // Another process may have found it before it was locked, and removed it; or it is about to, and has the lock.
                if (System.IO.Path.Exists(path)) return (path, taken, stream);
            }
            catch (IOException e) when (
                attempt < Attempts && (e.HResult == LibC.IsLocked || !System.IO.Path.Exists(path)) && Directory.Exists(Folder))
            {
            }
            catch
            {
                taken?.Dispose();
                Remove(path);
                throw;
            }
            taken?.Dispose();
            if (attempt == Attempts) throw new IOException("other processes keep removing its beginnings");
        }
    }

    // .NET locks what it opens: shared, so that a second reader can have it as well.
    private static FileStream Make(string path, long length) => new(path, new FileStreamOptions
    {
        Mode = FileMode.CreateNew,
        Access = FileAccess.ReadWrite,
        Share = FileShare.ReadWrite | FileShare.Delete,
        BufferSize = 0,
        PreallocationSize = length,
    });

    private static SafeFileHandle? LockedFolder(string path)
    {
        Directory.CreateDirectory(path);
        if (!OperatingSystem.IsLinux()) return null;
        SafeFileHandle handle = LibC.Open(path, LibC.ReadNonBlocking);
        // Where the file system knows no locks, nothing in it is swept.
        if (LibC.TryLock(handle, LibC.LockShared) || Marshal.GetLastPInvokeError() != LibC.IsLocked) return handle;
        handle.Dispose();
        throw new IOException($"{path} is locked by another process.", LibC.IsLocked);
    }

    private static void RemoveAbandoned(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            if (File.Exists(path) && IsClosed(path)) Remove(path);
            return;
        }
        // Locked until it is gone: who made it at this moment finds it taken, and makes another.
        using SafeFileHandle handle = LibC.Open(path, LibC.ReadNonBlocking);
        if (!handle.IsInvalid && LibC.KindOf(handle) is FileKind.Regular or FileKind.Folder && LibC.TryLock(handle, LibC.LockExclusive))
            Remove(path);
    }

    private static bool IsClosed(string path)
    {
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static void Remove(string path)
    {
        try
        {
            if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
            else File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What cannot be removed now is left to the next process; why it is removed matters more.
        }
    }

    private void CommitFolder(bool overwrite)
    {
        if (!Directory.Exists(_target))
        {
            Directory.Move(Path, _target);
            return;
        }
        if (!overwrite && Directory.EnumerateFileSystemEntries(_target).Any())
            throw new IOException("a folder of this name is there already");
        if (OperatingSystem.IsLinux() && LibC.TrySwap(Path, _target))
        {
            Remove(Path);
            return;
        }
        // Where the two cannot be swapped in one step, the old one steps aside, under a name that nobody removes.
        string old = $"{_target}.old-{Guid.NewGuid():n}";
        Directory.Move(_target, old);
        try
        {
            Directory.Move(Path, _target);
        }
        catch
        {
            Directory.Move(old, _target);
            throw;
        }
        Remove(old);
    }

    private static string? FirstMissing(string folder)
    {
        string? first = null;
        for (string? at = folder; at is not null && !System.IO.Path.Exists(at); at = System.IO.Path.GetDirectoryName(at)) first = at;
        return first;
    }

    // Only those that nobody else has put something into.
    private void RemoveMadeFolders()
    {
        if (_firstMadeFolder is null) return;
        try
        {
            for (string at = Folder; at.Length >= _firstMadeFolder.Length; at = System.IO.Path.GetDirectoryName(at)!) Directory.Delete(at);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }
}
