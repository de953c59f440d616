using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Text;
using CsCheck;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using Xunit;

namespace TurboDiffusion.Tests.Checkpoints;

/// <summary>Damaged files of every kind: they open and read, or are refused with the one typed error, in bounded memory.</summary>
public sealed class FuzzTests : IDisposable
{
    private static readonly string Data = Path.Combine(AppContext.BaseDirectory, "Checkpoints", "Data");

    // Of the sixty cases that the slowest machine makes; three in five of the index files are refused, of the others more.
    private const int FewestRefused = 15;

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

    // The header as JSON that means something else; its length is set to match.
    [Fact]
    public void Safetensors_headers_by_tokens()
    {
        byte[] seed = File.ReadAllBytes(Path.Combine(Data, "expected.safetensors"));
        int length = (int)BinaryPrimitives.ReadUInt64LittleEndian(seed);
        string header = Encoding.UTF8.GetString(seed, 8, length);
        FuzzRun run = FuzzRun.Of("Safetensors_headers_by_tokens",
            Gen.Select(Gen.Double[0, 1], Gen.Int[0, JsonMutation.Kinds]).Array[1, 3], changes =>
        {
            byte[] json = Encoding.UTF8.GetBytes(changes.Aggregate(header, (text, c) => JsonMutation.Mutate(text, c.Item1, c.Item2)));
            string path = _folder.Write("fuzz.safetensors",
                [.. BitConverter.GetBytes((long)json.Length), .. json, .. seed[(8 + length)..]]);
            using ICheckpoint checkpoint = Checkpoint.Open(path);
        });
        Assert.True(run.Refused > FewestRefused, $"only {run.Refused} refused");
    }

    [Fact]
    public void Index_files()
    {
        File.Copy(Path.Combine(Data, "expected.safetensors"), _folder.File("a.safetensors"));
        using ICheckpoint expected = Checkpoint.Open(_folder.File("a.safetensors"));
        string json = "{\"metadata\":{\"total_size\":1},\"weight_map\":{"
            + string.Join(",", expected.Tensors.Keys.Select(k => $"\"{k}\":\"a.safetensors\"")) + "}}";
        Fuzz(Encoding.UTF8.GetBytes(json), int.MaxValue);
        // And as JSON that means something else.
        FuzzRun run = FuzzRun.Of("Index_files by tokens",
            Gen.Select(Gen.Double[0, 1], Gen.Int[0, JsonMutation.Kinds]).Array[1, 3], changes =>
        {
            string path = _folder.Write("fuzz.json", changes.Aggregate(json, (text, c) => JsonMutation.Mutate(text, c.Item1, c.Item2)));
            using ICheckpoint checkpoint = Checkpoint.Open(path);
        });
        Assert.True(run.Refused > FewestRefused, $"only {run.Refused} refused");
    }

    private void Fuzz(byte[] seed, int region, [CallerMemberName] string name = "")
    {
        FuzzRun run = FuzzRun.Of(name, Mutation.Array[1, 4], mutations =>
        {
            string path = _folder.Write("fuzz.bin", Mutate(seed, Math.Min(region, seed.Length), mutations));
            using var scope = torch.NewDisposeScope();
            using ICheckpoint checkpoint = Checkpoint.Open(path);
            foreach (string tensor in checkpoint.Tensors.Keys) checkpoint.Read(tensor);
        });
        Assert.True(run.Refused > FewestRefused, $"only {run.Refused} refused, {run.Accepted} accepted");
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
