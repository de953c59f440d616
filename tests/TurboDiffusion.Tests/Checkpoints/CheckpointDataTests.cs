using System.Diagnostics;
using System.Text.RegularExpressions;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Tests.Golden;
using Xunit;

namespace TurboDiffusion.Tests.Checkpoints;

/// <summary>Files that PyTorch and safetensors wrote, whole and damaged.</summary>
public class CheckpointDataTests
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Checkpoints", "Data");

    [Theory]
    [InlineData("state_dict.pth", "")]
    [InlineData("legacy.pth", "")]
    [InlineData("nested_net_prefix.pth", "net.")]
    public void A_PyTorch_file_holds_the_tensors_that_PyTorch_saved(string file, string prefix)
    {
        using var scope = torch.NewDisposeScope();
        using ICheckpoint expected = Checkpoint.Open(Path.Combine(Folder, "expected.safetensors"));
        using ICheckpoint actual = Checkpoint.Open(Path.Combine(Folder, file));
        Assert.Equal(expected.Tensors.Keys.Order(), actual.Tensors.Keys.Select(k => k[prefix.Length..]).Order());
        foreach ((string name, TensorInfo info) in expected.Tensors)
        {
            Assert.Equal(info.ToString(), actual.Tensors[prefix + name].ToString());
            torch.Tensor read = actual.Read(prefix + name);
            Assert.True(read.is_contiguous());
            Comparison.Exact(expected.Read(name), read, name);
        }
        if (prefix.Length > 0) Assert.Equal("123", actual.Metadata["iteration"]);
    }

    [Theory]
    [InlineData("corrupt.pth", "not a valid zip archive")]
    [InlineData("truncated.pth", "truncated")]
    [InlineData("malicious.pth", "posix.system.*nothing was executed")]
    [InlineData("empty.safetensors", "empty")]
    [InlineData("huge_header.safetensors", "claims a header of")]
    [InlineData("not_json.safetensors", "not valid JSON")]
    [InlineData("out_of_range.safetensors", "truncated or corrupt")]
    [InlineData("overlap.safetensors", "overlapping")]
    [InlineData("shape_mismatch.safetensors", "in a range of 16 bytes")]
    [InlineData("truncated.safetensors", "truncated")]
    public void A_broken_file_is_refused_in_bounded_memory_and_time(string file, string reason)
    {
        string path = Path.Combine(Folder, file);
        (CheckpointException e, long managed, long native) = Refused(path);
        Assert.InRange(managed, 0, 2 << 20);
        // The other classes take memory of the same process meanwhile, once in a while; this one would each time.
        for (int again = 0; again < 3 && native > 256 << 20; again++) native = Refused(path).Native;
        Assert.InRange(native, long.MinValue, 256 << 20);
        Assert.Contains(path, e.Message);
        Assert.True(Regex.IsMatch(e.Message, reason), e.Message);
        Assert.DoesNotContain('\n', e.Message);
        Assert.False(File.Exists("/tmp/pwned-by-pickle"));
    }

    // With what it took: of this thread, and of the process.
    private static (CheckpointException Error, long Managed, long Native) Refused(string path)
    {
        long workingSet = Process.GetCurrentProcess().WorkingSet64, allocated = GC.GetAllocatedBytesForCurrentThread();
        CheckpointException e = Assert.Throws<CheckpointException>(() => Checkpoint.Open(path));
        return (e, GC.GetAllocatedBytesForCurrentThread() - allocated, Process.GetCurrentProcess().WorkingSet64 - workingSet);
    }

    [Fact]
    public void Every_file_of_the_golden_folder_is_whole_or_refused()
    {
        string folder = Path.GetDirectoryName(GoldenFixtures.Require("checkpoints", "expected.safetensors"))!;
        using var scope = torch.NewDisposeScope();
        using ICheckpoint expected = Checkpoint.Open(Path.Combine(folder, "expected.safetensors"));
        int whole = 0, refused = 0;
        foreach (string path in Directory.GetFiles(folder))
            try
            {
                using ICheckpoint actual = Checkpoint.Open(path);
                foreach (string key in actual.Tensors.Keys)
                {
                    string name = expected.Tensors.Keys.Single(n => key == n || key.EndsWith('.' + n, StringComparison.Ordinal));
                    Comparison.Exact(expected.Read(name), actual.Read(key), $"{path} {key}");
                }
                Assert.Equal(expected.Tensors.Count, actual.Tensors.Count);
                whole++;
            }
            catch (CheckpointException e)
            {
                Assert.Contains(path, e.Message);
                refused++;
            }
        Assert.True(whole >= 1 && refused >= 1, $"{whole} files are whole and {refused} refused");
        Assert.False(File.Exists("/tmp/pwned-by-pickle"));
    }
}
