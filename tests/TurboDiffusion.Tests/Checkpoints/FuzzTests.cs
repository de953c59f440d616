using System.Buffers.Binary;
using System.Text;
using CsCheck;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using Xunit;

namespace TurboDiffusion.Tests.Checkpoints;

/// <summary>Damaged files of every kind: they open and read, or are refused with the one typed error, in bounded memory.</summary>
public sealed class FuzzTests : IDisposable
{
    private const int Seconds = 1;
    private static readonly string Data = Path.Combine(AppContext.BaseDirectory, "Checkpoints", "Data");

    private readonly TestFolder _folder = new();

    // What one mutation does at a place given as a fraction of the region.
    private static readonly Gen<(double At, int Kind, byte Value, int Length)> Mutation =
        Gen.Select(Gen.Double[0, 1], Gen.Int[0, 5], Gen.Byte, Gen.Int[1, 24]);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Safetensors() => Fuzz(File.ReadAllBytes(Path.Combine(Data, "expected.safetensors")), 1100);

    [Fact]
    public void Zip_archives() => Fuzz(File.ReadAllBytes(Path.Combine(Data, "nested_net_prefix.pth")), int.MaxValue);

    [Fact]
    public void Gguf() => Fuzz(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Golden", "Data", "files", "types.gguf")), 1300);

    // Without checksums, so that damage reaches the unpickler.
    [Fact]
    public void Pickles_in_zip_archives() => Fuzz(WithoutChecksums(File.ReadAllBytes(Path.Combine(Data, "nested_net_prefix.pth"))), 1400);

    [Fact]
    public void Legacy_pickles() => Fuzz(File.ReadAllBytes(Path.Combine(Data, "legacy.pth")), 1750);

    [Fact]
    public void Index_files()
    {
        File.Copy(Path.Combine(Data, "expected.safetensors"), _folder.File("a.safetensors"));
        using ICheckpoint expected = Checkpoint.Open(_folder.File("a.safetensors"));
        Fuzz(Encoding.UTF8.GetBytes("{\"metadata\":{\"total_size\":1},\"weight_map\":{"
            + string.Join(",", expected.Tensors.Keys.Select(k => $"\"{k}\":\"a.safetensors\"")) + "}}"), int.MaxValue);
    }

    private void Fuzz(byte[] seed, int region)
    {
        int opened = 0, refused = 0;
        Mutation.Array[1, 4].Sample(
            mutations =>
            {
                string path = _folder.Write("fuzz.bin", Mutate(seed, Math.Min(region, seed.Length), mutations));
                long allocated = GC.GetAllocatedBytesForCurrentThread();
                try
                {
                    using var scope = torch.NewDisposeScope();
                    using ICheckpoint checkpoint = Checkpoint.Open(path);
                    foreach (string name in checkpoint.Tensors.Keys) checkpoint.Read(name);
                    opened++;
                }
                catch (CheckpointException)
                {
                    refused++;
                }
                Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - allocated, 0, 16 << 20);
            },
            time: Seconds, threads: 1);
        Assert.True(refused > 30, $"only {refused} refused, {opened} opened");
        Assert.False(File.Exists("/tmp/pwned-by-pickle"));
    }

    private static byte[] Mutate(byte[] seed, int region, (double At, int Kind, byte Value, int Length)[] mutations)
    {
        List<byte> bytes = [.. seed];
        foreach ((double at, int kind, byte value, int length) in mutations)
        {
            int place = Math.Min((int)(at * region), bytes.Count - 1);
            if (place < 0) break;
            int count = Math.Min(length, bytes.Count - place);
            switch (kind)
            {
                case 0: bytes[place] = value; break;
                case 1: bytes[place] ^= (byte)(1 << value % 8); break;
                case 2: bytes.RemoveRange(place, count); break;
                case 3: bytes.InsertRange(place, Enumerable.Repeat(value, length)); break;
                case 4: bytes.InsertRange(place, bytes.GetRange(place, count)); break;
                default: if (value < 16) bytes.RemoveRange(place, bytes.Count - place); else bytes[place]++; break;
            }
        }
        return [.. bytes];
    }

    private static byte[] WithoutChecksums(byte[] zip)
    {
        for (int i = 0; i + 46 <= zip.Length; i++)
            if (BinaryPrimitives.ReadUInt32LittleEndian(zip.AsSpan(i)) == 0x02014b50) zip.AsSpan(i + 16, 4).Clear();
        return zip;
    }
}
