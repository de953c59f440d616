using System.Security.Cryptography;
using System.Text;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary>
/// Machine code on disk: one file per key, its SHA-256 first. Entries appear by renaming, so two processes may fill the same
/// one; an entry that does not match its hash is made again; where the folder cannot be written, nothing is kept.
/// </summary>
/// <param name="folder">Where the files are; made at the first write.</param>
internal sealed class KernelCache(string folder)
{
    private const int MaxBytes = 64 << 20;

    /// <summary>The cache of this user.</summary>
    public static KernelCache User { get; } = new(Path.Combine(UserCache.Folder, "kernels"));

    /// <summary>The machine code of a key.</summary>
    /// <param name="key">The key, fit to be a file name.</param>
    /// <param name="build">Makes it where the cache does not have it whole.</param>
    public byte[] GetOrBuild(string key, Func<byte[]> build)
    {
        if (Read(key) is { } cached) return cached;
        byte[] image = build();
        Write(PathOf(key), [.. SHA256.HashData(image), .. image]);
        return image;
    }

    /// <summary>Makes a key's machine code again, for an entry that does not load.</summary>
    /// <param name="key">The key.</param>
    /// <param name="build">Makes it.</param>
    public byte[] Rebuild(string key, Func<byte[]> build)
    {
        byte[] image = build();
        Write(PathOf(key), [.. SHA256.HashData(image), .. image]);
        return image;
    }

    /// <summary>Keeps what the compiler said of a key's machine code beside it; nothing where it said nothing.</summary>
    /// <param name="key">The key.</param>
    /// <param name="log">The compiler's words.</param>
    public void KeepLog(string key, string log)
    {
        if (log.Length > 0) Write(Path.ChangeExtension(PathOf(key), ".log"), Encoding.UTF8.GetBytes(log));
    }

    private string PathOf(string key) => Path.Combine(folder, key + ".cubin");

    private byte[]? Read(string key)
    {
        try
        {
            byte[] content = InputFile.ReadBytes(PathOf(key), MaxBytes);
            if (content.Length <= SHA256.HashSizeInBytes) return null;
            byte[] image = content[SHA256.HashSizeInBytes..];
            return SHA256.HashData(image).AsSpan().SequenceEqual(content.AsSpan(0, SHA256.HashSizeInBytes)) ? image : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private void Write(string path, byte[] content)
    {
        string temporary = $"{path}.{Path.GetRandomFileName()}";
        try
        {
            Directory.CreateDirectory(folder);
            File.WriteAllBytes(temporary, content);
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            try
            {
                File.Delete(temporary);
            }
            catch (Exception again) when (again is IOException or UnauthorizedAccessException)
            {
            }
        }
    }
}
