using System.Buffers.Binary;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;
using TorchSharp;
using TurboDiffusion.Checkpoints;

namespace TurboDiffusion.Cli.Tests;

/// <summary>Writes what <c>torch.save</c> writes of a training checkpoint: tensors under <c>state_dict</c>, behind <c>net.</c>.</summary>
internal static class PthFile
{
    public static void Write(string path, ICheckpoint source)
    {
        using ZipArchive zip = ZipFile.Open(path, ZipArchiveMode.Create);
        var pickle = new MemoryStream();
        Say(pickle, "\u0080\u0002}(");
        Text(pickle, "state_dict");
        Say(pickle, "}(");
        foreach ((int key, TensorInfo info) in source.Tensors.Values.Index())
        {
            Text(pickle, $"net.{info.Name}");
            Say(pickle, "ctorch._utils\n_rebuild_tensor_v2\n((");
            Text(pickle, "storage");
            Say(pickle, "ctorch\nFloatStorage\n");
            Text(pickle, $"{key}");
            Text(pickle, "cpu");
            Number(pickle, info.ElementCount);
            Say(pickle, "tQK\0(");
            foreach (long size in info.Shape) Number(pickle, size);
            Say(pickle, "t(");
            for (int axis = 0; axis < info.Shape.Count; axis++) Number(pickle, info.Shape.Skip(axis + 1).Aggregate(1L, (n, d) => n * d));
            Say(pickle, "t\u0089ccollections\nOrderedDict\n)RtR");
            using torch.Tensor tensor = source.Read(info.Name);
            Entry(zip, $"archive/data/{key}", MemoryMarshal.AsBytes<float>(tensor.data<float>().ToArray()));
        }
        Say(pickle, "uu.");
        Entry(zip, "archive/data.pkl", pickle.ToArray());
        Entry(zip, "archive/version", "3\n"u8);
    }

    private static void Entry(ZipArchive zip, string name, ReadOnlySpan<byte> content)
    {
        using Stream stream = zip.CreateEntry(name, CompressionLevel.NoCompression).Open();
        stream.Write(content);
    }

    private static void Say(Stream pickle, string operations) => pickle.Write(Encoding.Latin1.GetBytes(operations));

    private static void Text(Stream pickle, string text)
    {
        pickle.WriteByte((byte)'X');
        Four(pickle, text.Length);
        pickle.Write(Encoding.ASCII.GetBytes(text));
    }

    private static void Number(Stream pickle, long value)
    {
        pickle.WriteByte((byte)'J');
        Four(pickle, checked((int)value));
    }

    private static void Four(Stream pickle, int value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        pickle.Write(bytes);
    }
}
