using System.Text.Json;
using TurboDiffusion.Checkpoints;

namespace TurboDiffusion.Cli.Tests;

/// <summary>A safetensors file of any size whose data is a hole in the disk: its header is all there is.</summary>
internal static class HeaderFile
{
    public static void Write(string path, ICheckpoint described)
    {
        var entries = new Dictionary<string, object>();
        long offset = 0;
        foreach (TensorInfo info in described.Tensors.Values)
        {
            entries[info.Name] = new
            {
                dtype = "BF16", shape = info.Shape, data_offsets = new[] { offset, offset += 2 * info.ElementCount },
            };
        }
        byte[] header = JsonSerializer.SerializeToUtf8Bytes(entries);
        using FileStream file = File.Create(path);
        file.Write(BitConverter.GetBytes((long)header.Length));
        file.Write(header);
        file.SetLength(file.Position + offset);
    }
}
