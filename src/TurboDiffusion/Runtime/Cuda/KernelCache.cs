using System.Security.Cryptography;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary>
/// Machine code on disk: one file per key, its SHA-256 first. Entries appear by renaming, so two processes may fill the same
/// one; an entry that does not match its hash is made again; where the folder cannot be written, nothing is kept.
/// </summary>
/// <param name="folder">Where the files are; made at the first write.</param>
internal sealed class KernelCache(string folder)
{
    /// <summary>The cache of this user.</summary>
    public static KernelCache User { get; } = new(Path.Combine(CacheRoot(), "turbodiffusion", "kernels"));

    /// <summary>The machine code of a key.</summary>
    /// <param name="key">The key, fit to be a file name.</param>
    /// <param name="build">Makes it where the cache does not have it whole.</param>
    public byte[] GetOrBuild(string key, Func<byte[]> build)
    {
        if (Read(key) is { } cached) return cached;
        byte[] image = build();
        Write(key, image);
        return image;
    }

    /// <summary>Makes a key's machine code again, for an entry that does not load.</summary>
    /// <param name="key">The key.</param>
    /// <param name="build">Makes it.</param>
    public byte[] Rebuild(string key, Func<byte[]> build)
    {
        byte[] image = build();
        Write(key, image);
        return image;
    }

    private string PathOf(string key) => Path.Combine(folder, key + ".cubin");

    private byte[]? Read(string key)
    {
        try
        {
            byte[] content = File.ReadAllBytes(PathOf(key));
            if (content.Length <= SHA256.HashSizeInBytes) return null;
            byte[] image = content[SHA256.HashSizeInBytes..];
            return SHA256.HashData(image).AsSpan().SequenceEqual(content.AsSpan(0, SHA256.HashSizeInBytes)) ? image : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private void Write(string key, byte[] image)
    {
        string temporary = $"{PathOf(key)}.{Path.GetRandomFileName()}";
        try
        {
            Directory.CreateDirectory(folder);
            File.WriteAllBytes(temporary, [.. SHA256.HashData(image), .. image]);
            File.Move(temporary, PathOf(key), overwrite: true);
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

    private static string CacheRoot() => Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } xdg ? xdg
        : OperatingSystem.IsWindows() ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
}
