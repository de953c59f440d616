using System.Buffers.Binary;

namespace TurboDiffusion.Checkpoints;

/// <summary>Opens checkpoints of every supported kind; the content decides which it is, never the file's name.</summary>
public static class Checkpoint
{
    private const string Supported = "Supported are .safetensors, .gguf, PyTorch .pth/.pt/.bin, and an .index.json beside its files.";

    /// <summary>
    /// Opens a checkpoint file, the index of a sharded one, or a folder that holds exactly one index (or, without an
    /// index, exactly one <c>.safetensors</c> file). Only headers are read.
    /// </summary>
    /// <param name="path">The file or folder.</param>
    /// <returns>The checkpoint with the file's own names; the caller disposes it.</returns>
    /// <exception cref="CheckpointException">It is missing, broken, malicious, or of an unsupported kind.</exception>
    public static ICheckpoint Open(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        // As it comes of a description with an empty name in it.
        if (path.Length == 0) throw new CheckpointException("(no name)", "is an empty name where a file or folder was expected; name one.");
        return Directory.Exists(path) ? Open(FindInFolder(path))
            : StartsWithJson(path) ? ShardedCheckpoint.Open(path)
            : OpenFile(path);
    }

    /// <summary>
    /// Opens a checkpoint of any supported kind and key layout and shows it under our names (those of the official
    /// code), ready to be loaded into a model. Only headers are read.
    /// </summary>
    /// <param name="path">The file or folder.</param>
    /// <returns>The checkpoint; the caller disposes it.</returns>
    /// <exception cref="CheckpointException">It is missing, broken, malicious, or of no known model.</exception>
    public static ICheckpoint OpenModel(string path)
    {
        ICheckpoint checkpoint = Open(path);
        try
        {
            return CheckpointLayout.Detect(checkpoint).Apply(checkpoint);
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    // A single file, which an index must not be: an index cannot lead to another.
    internal static ICheckpoint OpenFile(string path)
    {
        byte[] head;
        long length;
        using (CheckpointFile file = CheckpointFile.Open(path))
        {
            head = file.ReadUpTo(0, 64);
            length = file.Length;
        }
        if (head.Length > 8 && head[8] == '{') return SafetensorsFile.Open(path);
        if (head.AsSpan().StartsWith("GGUF"u8)) return GgufFile.Open(path);
        if (PyTorchFile.IsZip(head) || PyTorchFile.IsPickle(head)) return PyTorchFile.Open(path);
        // A header length and then no header: the safetensors reader says what is wrong with it.
        if (head.Length >= 8 && BinaryPrimitives.ReadUInt64LittleEndian(head) <= (ulong)length) return SafetensorsFile.Open(path);
        throw new CheckpointException(path, Unsupported(head));
    }

    private static bool StartsWithJson(string path)
    {
        using CheckpointFile file = CheckpointFile.Open(path);
        // A safetensors header of 0x…7b bytes also begins with a brace; then byte 7 of the length is zero, as no text is.
        byte[] head = file.ReadUpTo(0, 8);
        return head is [(byte)'{', ..] && !head.Contains((byte)0);
    }

    private static string Unsupported(ReadOnlySpan<byte> head) =>
        head.StartsWith("version https://git-lfs"u8) ? "is a Git LFS pointer, not the file itself. Run `git lfs pull`."
        : head.StartsWith("<"u8) ? "is a web page, not a checkpoint: the download failed or needs a login. Download it again."
        : $"is not a checkpoint of a known kind. {Supported}";

    private static string FindInFolder(string folder)
    {
        foreach (string pattern in (string[])["*.index.json", "*.safetensors"])
        {
            string[] found;
            try
            {
                found = Directory.GetFiles(folder, pattern);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new CheckpointException(folder, $"cannot be listed: {e.Message}", e);
            }
            if (found.Length == 1) return found[0];
            if (found.Length > 1)
                throw new CheckpointException(folder,
                    $"holds {found.Length} files named {pattern}: {Quoted.List([.. found.Select(System.IO.Path.GetFileName).Order()!])}. "
                        + "Name one of them.");
        }
        throw new CheckpointException(folder,
            "is a folder without an .index.json and without a .safetensors file. Name the checkpoint file.");
    }
}
