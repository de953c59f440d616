using System.Globalization;
using System.Runtime.InteropServices;
using TorchSharp;
using TurboDiffusion.Generation;
using TurboDiffusion.Models;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Pipelines;
using Xunit;

namespace TurboDiffusion.Tests.Generation;

/// <summary>Runs alone, after the other tests: it measures the whole process.</summary>
[CollectionDefinition(nameof(MemoryTests), DisableParallelization = true)]
[Collection(nameof(MemoryTests))]
public class MemoryTests(SmallModelFixture models)
{
    private const int WarmUp = 10;

    [Fact]
    public void A_hundred_generations_leave_managed_and_native_memory_flat_after_the_tenth()
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo, new VideoModelOptions { Device = "cpu" });
        var receiver = new Discard();
        PipelineRequest Plan(ulong seed) => model.Check(models.Request() with { Seed = seed });
        using var pipeline = new WanPipeline(model.Components);
        StaysFlat(100, i => pipeline.Run(Plan((ulong)i), receiver, null, TestContext.Current.CancellationToken));
        Assert.Equal(100, receiver.Videos);
    }

    // Of several prompts and sizes, as a service gets them, with what encodes and writes. The embeddings of the prompts are kept, to a
    // bound that EmbeddingCacheTests look at.
    [Fact]
    public void Fifty_videos_in_files_leave_managed_and_native_memory_flat_after_the_tenth()
    {
        using VideoModel model = VideoModel.Open(models.TextToVideo,
            new VideoModelOptions { Device = "cpu", TextEncoderWeights = WeightFormat.Int8 });
        string folder = models.NewFolder();
        VideoSize[] sizes = [new(32, 32), new(48, 32), new(32, 48)];
        StaysFlat(50, i => Assert.Single(model.Generate(models.Request($"a red circle number {i % 8}") with
        {
            Seed = (ulong)i,
            Size = sizes[i % sizes.Length],
            OutputPath = Path.Combine(folder, i % 5 == 0 ? $"{i}.mp4" : $"{i}/"),
        }, cancellationToken: TestContext.Current.CancellationToken)));
        Assert.Equal(50, Directory.GetFileSystemEntries(folder).Length);
    }

    private static void StaysFlat(int generations, Action<int> generate)
    {
        long tensors = 0, managed = 0, resident = 0;
        for (int i = 0; i < generations; i++)
        {
            generate(i);
            if (i != WarmUp - 1 && i != generations - 1) continue;
            long nowTensors = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
            long nowManaged = GC.GetTotalMemory(forceFullCollection: true), nowResident = ResidentBytes();
            if (i == WarmUp - 1) (tensors, managed, resident) = (nowTensors, nowManaged, nowResident);
            else
            {
                Assert.Equal(tensors, nowTensors);
                Assert.True(nowManaged - managed < 1 << 20, $"managed memory grew by {nowManaged - managed} bytes");
                // What the allocators keep for themselves; ninety times the weights of one part, or the frames of one video, are more.
                Assert.True(nowResident - resident < 64 << 20, $"resident memory grew by {nowResident - resident} bytes");
            }
        }
    }

    // What docs/reliability.md shows. glibc says which part of the resident memory is in use and which it keeps for later.
    [Fact]
    public void Many_generations_in_numbers()
    {
        string? many = Environment.GetEnvironmentVariable("TURBODIFFUSION_MEMORY_GENERATIONS");
        Assert.SkipUnless(many is { Length: > 0 } && OperatingSystem.IsLinux(),
            "Takes many minutes: set TURBODIFFUSION_MEMORY_GENERATIONS to their number.");
        using VideoModel model = VideoModel.Open(models.TextToVideo, new VideoModelOptions { Device = "cpu" });
        string folder = models.NewFolder() + "/";
        int generations = int.Parse(many!, CultureInfo.InvariantCulture);
        Console.WriteLine("generation,resident,managed,native_in_use,native_kept,native_mapped,tensors,threads");
        for (int i = 1; i <= generations; i++)
        {
            model.Generate(models.Request() with { Seed = (ulong)i, OutputPath = folder, Output = new() { Overwrite = true } });
            if (i is 1 or 10 or 25 || i % 50 == 0) Say($"{i}");
        }
        MallocTrim(0);
        Say("trimmed");
    }

    private static void Say(string when)
    {
        long managed = GC.GetTotalMemory(forceFullCollection: true);
        MallocInfo native = MallInfo2();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{when},{ResidentBytes()},{managed},{native.InUse + native.Mapped},{native.Free},{native.Mapped},"
            + $"{DisposeScopeManager.Statistics.ThreadTotalLiveCount},{System.Diagnostics.Process.GetCurrentProcess().Threads.Count}"));
    }

    [DllImport("libc", EntryPoint = "mallinfo2")]
    private static extern MallocInfo MallInfo2();

    [DllImport("libc", EntryPoint = "malloc_trim")]
    private static extern int MallocTrim(nuint keep);

    // struct mallinfo2 of glibc's malloc.h.
    [StructLayout(LayoutKind.Sequential)]
    private struct MallocInfo
    {
        public nuint Arena, FreeChunks, FastChunks, MappedChunks, Mapped, Peak, FastFree, InUse, Free, Releasable;
    }

    private static long ResidentBytes() =>
        long.Parse(File.ReadAllText("/proc/self/statm").Split(' ')[1], CultureInfo.InvariantCulture) * Environment.SystemPageSize;

    private sealed class Discard : IVideoReceiver
    {
        public int Videos { get; private set; }

        public void Begin(int video, ulong seed)
        {
        }

        public void Write(torch.Tensor frames)
        {
        }

        public void End() => Videos++;
    }
}
