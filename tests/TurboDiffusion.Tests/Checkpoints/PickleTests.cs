using System.Buffers.Binary;
using System.Text;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using Xunit;

namespace TurboDiffusion.Tests.Checkpoints;

/// <summary>Pickles written by hand, in the legacy form, which has no checksums.</summary>
public sealed class PickleTests : IDisposable
{
    // (storage '0' of 6 floats: 1..6), 0-based views of it follow.
    private const string Storage = "(X\u0007\0\0\0storagectorch\nFloatStorage\nX\u0001\0\0\00X\u0003\0\0\0cpuK\u0006NtQ";
    private const string Rebuild = "ctorch._utils\n_rebuild_tensor_v2\n";
    private const string Hooks = "\u0089ccollections\nOrderedDict\n)R";

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("K\0K\u0002K\u0003\u0086K\u0003K\u0001\u0086", new[] { 1f, 2, 3, 4, 5, 6 })]
    [InlineData("K\0K\u0003K\u0002\u0086K\u0001K\u0003\u0086", new[] { 1f, 4, 2, 5, 3, 6 })]
    [InlineData("K\u0001K\u0002\u0085K\u0002\u0085", new[] { 2f, 4 })]
    [InlineData("K\u0004K\u0003\u0085K\0\u0085", new[] { 5f, 5, 5 })]
    [InlineData("K\u0005))", new[] { 6f })]
    [InlineData("K\0K\0K\u0003\u0086K\u0003K\u0001\u0086", new float[0])]
    public void Offsets_and_strides_are_honoured(string view, float[] expected)
    {
        using var scope = torch.NewDisposeScope();
        using ICheckpoint checkpoint = Checkpoint.Open(Legacy($"}}(X\u0001\0\0\0w{Rebuild}({Storage}{view}{Hooks}tRu."));
        torch.Tensor read = checkpoint.Read("w");
        Assert.True(read.is_contiguous());
        Assert.Equal(checkpoint.Tensors["w"].Shape, read.shape);
        if (expected.Length > 0) Assert.Equal(expected, read.data<float>().ToArray());
    }

    [Theory]
    [InlineData("K\u0001K\u0006\u0085K\u0001\u0085", "reaching to element 6 of a storage of 6")]
    [InlineData("K\0K\u0002\u0085J\u00ff\u00ff\u00ff\u00ff\u0085", "strides [-1]")]
    [InlineData("J\u00ff\u00ff\u00ff\u00ffK\u0002\u0085K\u0001\u0085", "reaching to element 0")]
    [InlineData("K\0J\0\0\0\u0070J\0\0\0\u0070\u0086K\0K\0\u0086", "has tensor 'w'")]
    [InlineData("K\0K\u0002K\u0003\u0086K\u0001\u0085", "strides [1]")]
    [InlineData("K\0J\u00ff\u00ff\u00ff\u00ff\u0085K\u0001\u0085", "has tensor 'w'")]
    [InlineData("K\0X\u0001\0\0\0a\u0085K\u0001\u0085", "a size that is not a number")]
    public void Views_outside_their_storage_are_refused(string view, string reason) =>
        Refused($"}}(X\u0001\0\0\0w{Rebuild}({Storage}{view}{Hooks}tRu.", reason);

    [Theory]
    [InlineData("cbuiltins\neval\nX\u0003\0\0\01+1\u0085R.", "'builtins.eval'")]
    [InlineData("cos\nsystem\n)R.", "'os.system'")]
    [InlineData("\u008c\u0008builtins\u008c\u0004exec\u0093.", "'builtins.exec'")]
    [InlineData("ctorch\nload\n)R.", "'torch.load'")]
    [InlineData("ctorch._utils\n_rebuild_tensor_v3\n.", "8-bit floats")]
    [InlineData("}(ctorch\nfloat32\nRu.", "wrong type|takes from an empty")]
    [InlineData("ctorch\nfloat32\n)R.", "arguments that it does not take")]
    [InlineData("(i__main__\nX\n.", "operation 0x69")]
    [InlineData("(cos\nsystem\no.", "nothing was executed")]
    public void Names_that_are_not_of_tensors_are_refused(string pickle, string reason) => Refused(pickle, reason);

    [Theory]
    [InlineData("X\u00ff\u00ff\u00ff\u007fa.", "claims 2147483647 bytes")]
    [InlineData("\u008e\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ffa.", "claims 18446744073709551615 bytes")]
    [InlineData("X\u0001\0\0\0\u00ff.", "not valid UTF-8")]
    [InlineData("h\u0005.", "recalls value 5")]
    [InlineData("0.", "empty stack")]
    [InlineData("t.", "lacks a mark")]
    [InlineData("}(K\u0001u.", "without a value")]
    [InlineData("K\u0001.", "no dict of tensors")]
    [InlineData("}.", "holds no tensors")]
    [InlineData("}q\0X\u0001\0\0\0ah\0s.", "holds no tensors within 4 levels")]
    [InlineData("]q\0h\0a.", "no dict of tensors")]
    [InlineData("X\u0001\0\0\0aQ.", "wrong type")]
    [InlineData("\u0080\u0007}.", "another protocol")]
    public void Malformed_pickles_are_refused(string pickle, string reason) => Refused(pickle, reason);

    [Fact]
    public void Repetition_is_bounded()
    {
        string list = "](" + string.Concat(Enumerable.Repeat("NN\u0086", 50_000)) + "eq\0";
        string calls = string.Concat(Enumerable.Repeat("ccollections\nOrderedDict\nh\0\u0085R0", 10_000));
        Refused(list + calls + "}.", "repeats itself");
        Refused(string.Concat(Enumerable.Repeat("}", 2_100_000)) + ".", "more than 2000000 operations");
        Refused(string.Concat(Enumerable.Repeat("Nq\0", 1_100_000)) + ".", "more than 2000000 operations");
        Refused(string.Concat(Enumerable.Repeat(")", 1)) + string.Concat(Enumerable.Repeat("\u0085", 500_000)) + ".", "no dict of tensors");
    }

    // Each asks for much work with few bytes: one long text that is hashed, joined or copied again and again.
    [Theory]
    [InlineData("}X", "q\00", "h\0Ns", 500_000)]
    [InlineData("}X", "q\00(", "h\0N", 500_000, "u")]
    [InlineData("}X", "q\0", "}h\0Ns0", 300_000)]
    [InlineData("}X", "q\0", "(h\0Nd0", 300_000)]
    [InlineData("}X", "q\0", "ccollections\nOrderedDict\n]h\0N\u0086a\u0085R0", 80_000)]
    [InlineData("}X", "q\0", "c_codecs\nencode\nh\0X\u0006\0\0\0latin1\u0086R0", 80_000)]
    [InlineData("}X", "q\0", "(X\u0007\0\0\0storagectorch\nFloatStorage\nh\0X\u0003\0\0\0cpuK\u0006tQ0", 60_000)]
    [InlineData("}X", "q\0", "h\0h\0\u0093", 500_000)]
    public void A_long_text_cannot_be_worked_on_without_end(string before, string after, string repeated, int times, string end = "")
    {
        const int Length = 3_000_000;
        string text = before + Encoding.Latin1.GetString(BitConverter.GetBytes(Length)) + new string('k', Length) + after;
        var clock = System.Diagnostics.Stopwatch.StartNew();
        Refused(text + string.Concat(Enumerable.Repeat(repeated, times)) + end + ".", "repeats itself|no need of");
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(15), $"it took {clock.Elapsed}");
    }

    [Fact]
    public void A_tensor_of_an_endless_name_is_refused() =>
        Refused($"}}(X\u00d0\u0007\0\0{new string('w', 2000)}{Rebuild}({Storage}K\0K\u0002\u0085K\u0001\u0085{Hooks}tRu.",
            "whose name has 2000 characters");

    [Fact]
    public void A_nested_dict_is_found_and_what_lies_beside_it_becomes_metadata()
    {
        string tensor = $"{Rebuild}({Storage}K\0))\u0089ccollections\nOrderedDict\n)RtR";
        string nested = $"}}(X\u0005\0\0\0model}}X\u0001\0\0\0w{tensor}sX\u0004\0\0\0stepK\u0007X\u0003\0\0\0emaNu.";
        using ICheckpoint checkpoint = Checkpoint.Open(Legacy(nested));
        Assert.Equal(["w"], checkpoint.Tensors.Keys);
        Assert.Equal("7", checkpoint.Metadata["step"]);
        // An OrderedDict with attributes (BUILD), as module.state_dict() makes it.
        string built = $"ccollections\nOrderedDict\n)R(X\u0001\0\0\0w{tensor}u}}X\u0009\0\0\0_metadataNsb.";
        using ICheckpoint stateDict = Checkpoint.Open(Legacy(built));
        Assert.Equal(["w"], stateDict.Tensors.Keys);
        Refused($"}}(X\u0001\0\0\0a}}X\u0001\0\0\0w{tensor}sX\u0001\0\0\0b}}X\u0001\0\0\0w{tensor}su.", "holds 2 dicts");
    }

    private void Refused(string pickle, string reason)
    {
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        string path = Legacy(pickle);
        CheckpointException e = Assert.Throws<CheckpointException>(() => Checkpoint.Open(path));
        Assert.Matches(reason.Replace("[", "\\[").Replace("]", "\\]"), e.Message);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - allocated, 0, 400L << 20);
    }

    private string Legacy(string pickle)
    {
        var file = new MemoryStream();
        Write("\u0080\u0002\u008a\u000a\u006c\u00fc\u009c\u0046\u00f9\u0020\u006a\u00a8\u0050\u0019.\u0080\u0002M\u00e9\u0003.");
        Write("\u0080\u0002}X\u000d\0\0\0little_endian\u0088s.");
        Write("\u0080\u0002" + pickle);
        Write("\u0080\u0002](X\u0001\0\0\00e.");
        Span<byte> number = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(number, 6);
        file.Write(number);
        for (int i = 1; i <= 6; i++)
        {
            BinaryPrimitives.WriteSingleLittleEndian(number, i);
            file.Write(number[..4]);
        }
        return _folder.Write("a.pth", file.ToArray());

        void Write(string text) => file.Write(Encoding.Latin1.GetBytes(text));
    }
}
