using System.Runtime.InteropServices;
using Microsoft.Extensions.AI;
using Microsoft.Win32.SafeHandles;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// Files that a request or a response names. Only regular ones: a named pipe keeps its reader waiting for ever, and a device has no end.
/// </summary>
internal static class LocalFile
{
    /// <summary>The path of a content that names a file of this machine, or null.</summary>
    public static string? PathOf(AIContent? content) => content is UriContent { Uri: { IsAbsoluteUri: true, IsFile: true } uri }
        ? uri.LocalPath
        : null;

    /// <summary>Opens a file for reading; the caller disposes it.</summary>
    /// <exception cref="IOException">There is none, it is no regular file, or it may not be read.</exception>
    public static FileStream Open(string path)
    {
        // Before opening, too: to open some devices is to make them do something.
        if (OperatingSystem.IsLinux()) Require(path, LibC.KindOf(path));
        SafeFileHandle handle = OperatingSystem.IsLinux() ? LibC.Open(path, LibC.ReadNonBlocking) : File.OpenHandle(path);
        try
        {
            if (handle.IsInvalid)
                throw new IOException($"The file {path} cannot be read: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}.");
            if (OperatingSystem.IsLinux()) Require(path, LibC.KindOf(handle));
            return new FileStream(handle, FileAccess.Read, 1 << 16, isAsync: false);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Reads an image, encoded as it is.</summary>
    /// <exception cref="IOException">As <see cref="Open"/>.</exception>
    public static async Task<DataContent> ReadImageAsync(string path, CancellationToken cancellationToken)
    {
        await using var file = Open(path);
        return await DataContent.LoadFromAsync(file, ImageType(path), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The media type that the extension of an image's name says.</summary>
    public static string ImageType(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".jpg" or ".jpeg" => "image/jpeg",
        ".webp" => "image/webp",
        ".gif" => "image/gif",
        ".bmp" => "image/bmp",
        _ => "image/png",
    };

    private static void Require(string path, FileKind? kind)
    {
        if (kind is not (null or FileKind.Regular))
            throw new IOException($"{path} is not a file with content and an end, so it is not read.");
    }
}
