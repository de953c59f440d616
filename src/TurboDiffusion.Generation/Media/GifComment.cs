using System.Text;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Generation.Media;

/// <summary>Adds a comment to a GIF file, which ffmpeg's GIF muxer cannot.</summary>
/// <remarks>GIF89a specification, sections 17–19 (header, screen descriptor, global colours) and 24 (comment extension).</remarks>
internal static class GifComment
{
    private const int HeaderBytes = 13;

    /// <summary>Rewrites the file with the comment.</summary>
    /// <param name="gif">A whole GIF file.</param>
    /// <param name="comment">Any text.</param>
    /// <exception cref="IOException">It is no GIF file, or cannot be written.</exception>
    public static void Insert(PartialOutput gif, string comment)
    {
        using PartialOutput rewritten = PartialOutput.OfFile(gif.Path);
        using (FileStream source = new(gif.Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete))
            Copy(source, rewritten.Stream!, comment);
        // Into the file itself, which is the one that is locked.
        FileStream destination = gif.Stream!;
        destination.SetLength(0);
        destination.Position = rewritten.Stream!.Position = 0;
        rewritten.Stream.CopyTo(destination);
    }

    private static void Copy(Stream source, Stream destination, string comment)
    {
        var header = new byte[HeaderBytes];
        source.ReadExactly(header);
        int flags = header[10];
        var colors = new byte[(flags & 0x80) != 0 ? 3 << ((flags & 7) + 1) : 0];
        source.ReadExactly(colors);
        destination.Write(header);
        destination.Write(colors);
        destination.Write([0x21, 0xFE]);
        foreach (byte[] block in Encoding.UTF8.GetBytes(comment).Chunk(255))
        {
            destination.WriteByte((byte)block.Length);
            destination.Write(block);
        }
        destination.WriteByte(0);
        source.CopyTo(destination);
    }
}
