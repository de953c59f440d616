using System.Text;

namespace TurboDiffusion.Generation.Media;

/// <summary>Adds a comment to a GIF file, which ffmpeg's GIF muxer cannot.</summary>
/// <remarks>GIF89a specification, sections 17–19 (header, screen descriptor, global colours) and 24 (comment extension).</remarks>
internal static class GifComment
{
    private const int HeaderBytes = 13;

    public static void Insert(string path, string comment)
    {
        string rewritten = path + ".comment";
        try
        {
            using (FileStream source = File.OpenRead(path))
            using (FileStream destination = File.Create(rewritten))
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
            File.Move(rewritten, path, overwrite: true);
        }
        catch
        {
            File.Delete(rewritten);
            throw;
        }
    }
}
