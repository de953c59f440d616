using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Tests.Checkpoints;
using Xunit;

namespace TurboDiffusion.Tests.Runtime.Cuda;

public class KernelCompilationTests
{
    private static readonly Dictionary<string, string> Sources = new() { ["k.cu"] = "#include \"a.cuh\"", ["a.cuh"] = "int a;" };

    private static readonly KernelProgram Program = new("k", ("A", 1), ("B", 2));

    [Fact]
    public void The_cache_key_changes_with_everything_that_the_machine_code_depends_on()
    {
        string[] keys =
        [
            Program.Key("sm_90a", 13000, Sources),
            new KernelProgram("j", ("A", 1), ("B", 2)).Key("sm_90a", 13000, Sources),
            new KernelProgram("k", ("A", 1), ("B", 3)).Key("sm_90a", 13000, Sources),
            new KernelProgram("k", ("A", "1B=2")).Key("sm_90a", 13000, Sources),
            Program.Key("sm_80", 13000, Sources),
            Program.Key("sm_90a", 13010, Sources),
            Program.Key("sm_90a", 13000, new Dictionary<string, string>(Sources) { ["k.cu"] = "" }),
            Program.Key("sm_90a", 13000, new Dictionary<string, string>(Sources) { ["a.cuh"] = "int b;" }),
        ];
        Assert.Equal(keys.Length, keys.Distinct().Count());
        Assert.Equal(keys[0], new KernelProgram("k", ("A", 1), ("B", 2)).Key("sm_90a", 13000, Sources));
    }

    [Fact]
    public void Programs_are_equal_by_name_and_constants()
    {
        Assert.Equal(Program, new KernelProgram("k", ("A", 1), ("B", 2)));
        Assert.Equal(Program.GetHashCode(), new KernelProgram("k", ("A", 1), ("B", 2)).GetHashCode());
        Assert.NotEqual(Program, new KernelProgram("k", ("A", 1)));
    }

    [Fact]
    public void Every_kernel_comes_with_all_that_it_includes()
    {
        Assert.NotEmpty(KernelSources.Kernels);
        foreach (string kernel in KernelSources.Kernels)
        {
            IReadOnlyDictionary<string, string> closure = KernelSources.Closure(kernel);
            Assert.Contains("ptx.cuh", closure.Keys);
            Assert.Matches($@"extern ""C"" __global__[^;{{]*\b{kernel}\(", closure[KernelSources.File(kernel)]);
        }
    }

    [Fact]
    public void A_program_is_built_once_and_then_read()
    {
        using var folder = new TestFolder();
        var cache = new KernelCache(folder.Path);
        int builds = 0;
        byte[] Build() => [1, 2, (byte)++builds];
        Assert.Equal([1, 2, 1], cache.GetOrBuild("key", Build));
        Assert.Equal([1, 2, 1], new KernelCache(folder.Path).GetOrBuild("key", Build));
        Assert.Equal([1, 2, 2], cache.Rebuild("key", Build));
        Assert.Equal([1, 2, 2], cache.GetOrBuild("key", Build));
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void What_the_compiler_said_is_kept_beside_the_program()
    {
        using var folder = new TestFolder();
        var cache = new KernelCache(folder.Path);
        cache.GetOrBuild("quiet", () => [1]);
        cache.KeepLog("quiet", "");
        cache.GetOrBuild("key", () => [1, 2, 3]);
        cache.KeepLog("key", "k.cu(1): warning: an unused variable");
        Assert.Equal("k.cu(1): warning: an unused variable", File.ReadAllText(Path.Combine(folder.Path, "key.log")));
        Assert.Equal(["key.cubin", "key.log", "quiet.cubin"], Directory.GetFiles(folder.Path).Select(Path.GetFileName).Order());
        Assert.Equal([1, 2, 3], cache.GetOrBuild("key", () => [4]));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(20)]
    [InlineData(-1)]
    public void A_damaged_entry_is_built_again(int keep)
    {
        using var folder = new TestFolder();
        var cache = new KernelCache(folder.Path);
        cache.GetOrBuild("key", () => [1, 2, 3]);
        string file = Directory.GetFiles(folder.Path).Single();
        byte[] content = File.ReadAllBytes(file);
        if (keep >= 0) content = content[..keep];
        else content[^1] ^= 1;
        File.WriteAllBytes(file, content);
        Assert.Equal([4], cache.GetOrBuild("key", () => [4]));
        Assert.Equal([4], cache.GetOrBuild("key", () => [5]));
    }

    [Fact]
    public void Many_at_once_fill_one_entry_without_harm()
    {
        using var folder = new TestFolder();
        byte[] image = [.. Enumerable.Range(0, 100_000).Select(i => (byte)i)];
        Parallel.For(0, 64, i =>
        {
            var cache = new KernelCache(folder.Path);
            Assert.Equal(image, i % 2 == 0 ? cache.GetOrBuild("key", () => image) : cache.Rebuild("key", () => image));
        });
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void Where_nothing_can_be_written_nothing_is_kept()
    {
        using var folder = new TestFolder();
        string file = Path.Combine(folder.Path, "file");
        File.WriteAllText(file, "");
        var cache = new KernelCache(Path.Combine(file, "below"));
        Assert.Equal([1], cache.GetOrBuild("key", () => [1]));
        Assert.Equal([2], cache.GetOrBuild("key", () => [2]));
    }

    [Fact]
    public void A_failing_build_leaves_nothing_behind()
    {
        using var folder = new TestFolder();
        var cache = new KernelCache(folder.Path);
        Assert.Throws<KernelCompilationException>(() =>
            cache.GetOrBuild("key", () => throw new KernelCompilationException("k", "sm_80", "k.cu(1): error")));
        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void The_compilers_log_is_in_the_error()
    {
        var error = new KernelCompilationException("k(A=1)", "sm_80", "k.cu(1): error: expected a ;\n");
        Assert.Contains("k.cu(1): error: expected a ;", error.Message);
        Assert.Contains("sm_80", error.Message);
        Assert.Contains("TURBODIFFUSION_KERNELS=off", error.Message);
    }
}
