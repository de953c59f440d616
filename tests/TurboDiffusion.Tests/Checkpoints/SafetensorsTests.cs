using System.Buffers.Binary;
using System.Text;
using System.Text.RegularExpressions;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using Xunit;

namespace TurboDiffusion.Tests.Checkpoints;

public sealed class SafetensorsTests : IDisposable
{
    private readonly torch.Generator _random = new(1);

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("""{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8, null)]
    [InlineData("""{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}      """, 8, null)]
    [InlineData("""{"__metadata__":{"a":"é"},"w":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}""", 4, null)]
    [InlineData("{}", 0, null)]
    [InlineData("", 0, "not valid JSON")]
    [InlineData("[]", 0, "not a JSON object")]
    [InlineData("{} {}", 0, "not valid JSON")]
    [InlineData("""{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 12, "4 bytes after its last tensor")]
    [InlineData("""{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 4, "outside|truncated")]
    [InlineData("""{"w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""", 12, "gap of 4 bytes")]
    [InlineData("""{"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", 8, "corrupt")]
    [InlineData("""{"w":{"dtype":"F32","shape":[1e400],"data_offsets":[0,8]}}""", 8, "shape is not a list")]
    [InlineData("""{"w":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}""", 8, "shape is not a list")]
    [InlineData("""{"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", 8, "shape is not a list")]
    [InlineData("""{"w":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}}""", 8, "shape is not a list")]
    [InlineData("""{"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}""", 8, "in a range of 8 bytes")]
    [InlineData("""{"w":{"dtype":"F32","shape":[0,4611686018427387904],"data_offsets":[0,0]}}""", 0, "in a range of 0 bytes")]
    [InlineData("""{"w":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}""", 4,
        "shape is not a list of at most 16")]
    [InlineData("""{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""", 16,
        "twice")]
    [InlineData("""{"w":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 8, "unexpected field")]
    [InlineData("""{"w":{"dtype":"F32","shape":[2]}}""", 8, "without a dtype, a shape and two data_offsets")]
    [InlineData("""{"w":{"dtype":"F8_E8M0","shape":[8],"data_offsets":[0,8]}}""", 8, "mxfp8")]
    [InlineData("""{"w":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}""", 8, "not supported")]
    [InlineData("""{"__metadata__":{"a":1}}""", 0, "not a string")]
    [InlineData("""{"__metadata__":{"a":"1","a":"2"}}""", 0, "twice")]
    [InlineData("""{"__metadata__":{},"__metadata__":{}}""", 0, "two __metadata__")]
    [InlineData("""{"w":{"dtype":"F32","shape":[[[[[[[[[[1]]]]]]]]]],"data_offsets":[0,8]}}""", 8, "shape is not a list")]
    [InlineData("""{"w":[[[[[[[[[[1]]]]]]]]]]}""", 8, "not an object")]
    public void A_header_is_accepted_or_refused_with_the_reason(string header, int dataBytes, string? reason)
    {
        string path = _folder.Write("a.safetensors", Bytes(Encoding.UTF8.GetBytes(header), dataBytes));
        if (reason is null)
        {
            using ICheckpoint checkpoint = Checkpoint.Open(path);
            foreach (string name in checkpoint.Tensors.Keys) checkpoint.Read(name).Dispose();
            return;
        }
        CheckpointException e = Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(path));
        Assert.Contains(path, e.Message);
        Assert.True(Regex.IsMatch(e.Message, reason), e.Message);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void Names_that_are_not_valid_UTF8_are_refused()
    {
        byte[] header = Encoding.UTF8.GetBytes("""{"w?":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""");
        header[3] = 0xff;
        string path = _folder.Write("a.safetensors", Bytes(header, 8));
        Assert.Contains("UTF-8", Assert.Throws<CheckpointException>(() => Checkpoint.Open(path)).Message);
    }

    [Fact]
    public void A_claimed_header_of_a_terabyte_allocates_nothing()
    {
        byte[] file = Bytes("{}"u8.ToArray(), 0);
        BinaryPrimitives.WriteInt64LittleEndian(file, 1L << 40);
        string path = _folder.Write("a.safetensors", file);
        long before = GC.GetAllocatedBytesForCurrentThread();
        CheckpointException e = Assert.Throws<CheckpointException>(() => Checkpoint.Open(path));
        Assert.Contains("claims a header of 1099511627776 bytes", e.Message);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Theory]
    [InlineData("GGUF\u0003\0\0\0\u0001\0\0\0", "GGUF")]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:0", "git lfs pull")]
    [InlineData("<!DOCTYPE html><html></html>", "web page")]
    [InlineData("hello, this is a text file", "not a checkpoint of a known kind")]
    public void Other_kinds_of_file_are_refused_by_name(string content, string reason) =>
        Assert.Contains(reason, Assert.Throws<CheckpointException>(() => Checkpoint.Open(_folder.Write("a.safetensors", content))).Message);

    [Fact]
    public void What_is_not_a_regular_file_is_refused()
    {
        Assert.Contains("does not exist", Assert.Throws<CheckpointException>(() => Checkpoint.Open(_folder.File("none"))).Message);
        Assert.Contains("folder", Assert.Throws<CheckpointException>(() => Checkpoint.Open(_folder.Path)).Message);
        Assert.Contains("folder", Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(_folder.Path)).Message);
        if (OperatingSystem.IsLinux())
            Assert.Contains("a device", Assert.Throws<CheckpointException>(() => Checkpoint.Open("/dev/zero")).Message);
    }

    [Fact]
    public void A_file_that_shrinks_after_it_was_opened_is_an_error_and_not_a_crash()
    {
        string path = _folder.Write("a.safetensors", Bytes(
            """{"w":{"dtype":"F32","shape":[20000],"data_offsets":[0,80000]}}"""u8.ToArray(), 80000));
        using ICheckpoint checkpoint = Checkpoint.Open(path);
        // Not through .NET, whose advisory lock would stop it.
        using (System.Diagnostics.Process truncate = System.Diagnostics.Process.Start("truncate", ["-s", "100", path]))
            truncate.WaitForExit();
        Assert.Contains("changed", Assert.Throws<CheckpointException>(() => checkpoint.Read("w")).Message);
    }

    [Fact]
    public void A_tensor_that_is_not_there_is_named() => Assert.Contains("'x'", Assert.Throws<CheckpointException>(() =>
    {
        using ICheckpoint checkpoint = Checkpoint.Open(_folder.Write("a.safetensors", Bytes("{}"u8.ToArray(), 0)));
        checkpoint.Read("x");
    }).Message);

    [Fact]
    public void What_is_written_is_read_back()
    {
        using var scope = torch.NewDisposeScope();
        (string, torch.Tensor)[] tensors =
        [
            ("i8", torch.arange(5).to(torch.ScalarType.Int8)),
            ("scalar", torch.tensor(2.5)),
            ("bf16 \"é\"", torch.randn(3, 4, generator: _random).to(torch.ScalarType.BFloat16)),
            ("transposed", torch.randn(3, 4, generator: _random).t()),
            ("empty", torch.empty(0, 3)),
            ("flag", torch.tensor(new[] { true, false })),
        ];
        var metadata = new Dictionary<string, string> { ["note"] = "line\n\"é\"", ["config"] = "{}" };
        string path = _folder.File("out.safetensors");
        SafetensorsWriter.Write(path, [.. tensors.Select(t => TensorSource.From(t.Item1, t.Item2))], metadata,
            cancellationToken: TestContext.Current.CancellationToken);
        using ICheckpoint read = Checkpoint.Open(path);
        Assert.Equal(metadata, read.Metadata);
        Assert.Equal(["scalar", "transposed", "empty", "bf16 \"é\"", "i8", "flag"], read.Tensors.Keys);
        foreach ((string name, torch.Tensor expected) in tensors)
        {
            Assert.Equal(expected.dtype, read.Tensors[name].Dtype);
            Comparison.Exact(expected, read.Read(name), name);
        }
        Assert.Equal(0, BinaryPrimitives.ReadInt64LittleEndian(File.ReadAllBytes(path)) % 8);
        Assert.Single(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void A_checkpoint_is_copied_tensor_by_tensor_and_converted()
    {
        using var scope = torch.NewDisposeScope();
        using var source = new MemoryCheckpoint(("w", torch.randn(8, 8, generator: _random)), ("n", torch.ones(2, torch.ScalarType.Int8)));
        string path = _folder.File("out.safetensors");
        SafetensorsWriter.Write(path, TensorSource.From(source, torch.ScalarType.BFloat16),
            cancellationToken: TestContext.Current.CancellationToken);
        using ICheckpoint read = Checkpoint.Open(path);
        Assert.Equal(torch.ScalarType.BFloat16, read.Tensors["w"].Dtype);
        Assert.Equal(torch.ScalarType.Int8, read.Tensors["n"].Dtype);
        Comparison.Exact(source.Read("w").bfloat16(), read.Read("w"), "w");
    }

    [Fact]
    public void A_cancelled_or_failed_write_leaves_nothing_new()
    {
        string path = _folder.Write("out.safetensors", "old");
        using var cancel = new CancellationTokenSource();
        TensorSource first = Source("a", () => torch.zeros(4)), second = Source("b", () => throw new InvalidDataException("broken")),
            third = Source("c", () => { cancel.Cancel(); return torch.zeros(4); }), wrong = Source("d", () => torch.zeros(5));
        Assert.Throws<EnvironmentException>(() => SafetensorsWriter.Write(Path.Combine(path, "out"), [first], null, null, cancel.Token));
        Assert.Throws<InvalidDataException>(() => SafetensorsWriter.Write(path, [first, second], null, null, cancel.Token));
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(path, [first, wrong], null, null, cancel.Token));
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(path, [first, first], null, null, cancel.Token));
        Assert.Throws<OperationCanceledException>(() => SafetensorsWriter.Write(path, [third, first], null, null, cancel.Token));
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(_folder.Path));
    }

    private static TensorSource Source(string name, Func<torch.Tensor> read) =>
        new(new TensorInfo(name, torch.ScalarType.Float32, [4]), read);

    internal static byte[] Bytes(byte[] header, int dataBytes)
    {
        byte[] file = new byte[8 + header.Length + dataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(file, header.Length);
        header.CopyTo(file, 8);
        return file;
    }
}
