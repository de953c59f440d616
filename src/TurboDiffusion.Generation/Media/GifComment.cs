using System.Text;

namespace TurboDiffusion.Generation.Media;

/// <summary>Adds a comment to a GIF file, which ffmpeg's GIF muxer cannot.</summary>
/// <remarks>GIF89a specification, sections 17–19 (header, screen descriptor, global colours) and 24 (comment extension).</remarks>
internal static class GifComment
{
    private const int HeaderBytes = 13;

    /// <summary>Rewrites the file with the comment. The folder that it is in is a partial one, where an error may leave anything.</summary>
    /// <param name="path">A whole GIF file.</param>
    /// <param name="comment">Any text.</param>
    /// <exception cref="IOException">It is no GIF file, or cannot be written.</exception>
    public static void Insert(string path, string comment)
    {
        string rewritten = path + ".comment";
        using (FileStream source = File.OpenRead(path), destination = File.Create(rewritten)) Copy(source, destination, comment);
        File.Move(rewritten, path, overwrite: true);
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
