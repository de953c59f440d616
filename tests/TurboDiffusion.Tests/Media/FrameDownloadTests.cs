using TorchSharp;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime.Copies;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Sampling;
using TurboDiffusion.Tests.Runtime;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Media;

/// <summary>Frames come to host memory as they are, a chunk later where they are copied beside the computation.</summary>
public class FrameDownloadTests
{
    // A frame is more than a page of memory.
    private const int Width = 48, Height = 32;

    // The decoder's chunks: one frame, then four at a time; and a larger one, for which a buffer is taken anew.
    private static readonly int[] Chunks = [1, 4, 4, 9, 1];

    [Fact]
    public void Frames_of_the_CPU_come_at_once()
    {
        using var scope = NewDisposeScope();
        using var download = new FrameDownload();
        foreach (Tensor video in Videos())
        {
            using Tensor levels = download.Add(video)!;
            Comparison.Exact(VideoFrames.FromModelOutput(video), levels, "levels");
            Assert.Equal(ScalarType.Byte, levels.dtype);
        }
        Assert.Null(download.Last());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Copied_frames_come_with_the_next_ones_and_the_last_at_the_end(bool refusesToPin)
    {
        using var scope = NewDisposeScope();
        var copies = new LateCopies { RefusesToPin = refusesToPin };
        using (var download = new FrameDownload(_ => copies))
            // A second video through the same buffers.
            for (int video = 0; video < 2; video++)
            {
                var arrived = new List<Tensor>();
                void Take(Tensor? levels)
                {
                    if (levels is null) return;
                    arrived.Add(levels.clone());
                    levels.Dispose();
                }

                foreach ((Tensor chunk, int i) in Videos().Select((v, i) => (v, i)))
                {
                    Take(download.Add(chunk));
                    Assert.Equal(i, arrived.Count);
                }
                Take(download.Last());
                Assert.Null(download.Last());
                Assert.Equal(Chunks.Length, arrived.Count);
                foreach ((Tensor chunk, Tensor levels) in Videos().Zip(arrived))
                    Comparison.Exact(VideoFrames.FromModelOutput(chunk), levels, "levels");
            }
        Assert.True(copies is { Disposed: true, Pinned: 0 });
    }

    [Fact]
    public void Memory_is_pinned_once_for_all_videos_those_that_failed_too()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var copies = new LateCopies();
        using (var download = new FrameDownload(_ => copies, Chunks.Max() * Width * Height * 3))
        {
            void Generate(string name, CancellationToken cancellationToken = default)
            {
                using var receiver = Receiver(folder.File(name), download, cancellationToken);
                receiver.Begin(0, 1);
                foreach (Tensor chunk in Videos()) receiver.Write(chunk);
                receiver.End();
                Assert.Single(receiver.Finished);
            }

            Generate("a/");
            Assert.Equal((2, 2), (copies.Pins, copies.Pinned));
            // Frames are on their way when it ends; the next video shows none of them.
            Assert.ThrowsAny<OperationCanceledException>(() => Generate("b/", new CancellationToken(canceled: true)));
            using (var failing = Receiver(folder.File("c/"), download, default))
            {
                failing.Begin(0, 1);
                failing.Write(ones([1, 3, 4, Height, Width]));
            }
            Assert.Equal(["a"], Directory.GetFileSystemEntries(folder.Path).Select(Path.GetFileName));
            Generate("d/");
            Assert.Equal((2, 2), (copies.Pins, copies.Pinned));
        }
        Assert.True(copies is { Disposed: true, Pinned: 0 });
        Assert.Equal(Pictures("a"), Pictures("d"));

        byte[][] Pictures(string name) =>
            [.. Directory.GetFiles(folder.File(name), "*.png").Order(StringComparer.Ordinal).Select(File.ReadAllBytes)];
    }

    [Fact]
    public void What_is_on_its_way_is_freed_with_everything_else()
    {
        using var scope = NewDisposeScope();
        Tensor video = Videos().First();
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        var copies = new LateCopies();
        var download = new FrameDownload(_ => copies);
        Assert.Null(download.Add(video));
        download.Dispose();
        download.Dispose();
        Assert.True(copies is { Disposed: true, Pinned: 0 });
        var failing = new LateCopies { Failure = new EnvironmentException("cuda", "lost") };
        using (var lost = new FrameDownload(_ => failing)) Assert.Throws<EnvironmentException>(() => lost.Add(video));
        Assert.True(failing is { Disposed: true, Pinned: 0 });
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    // Lost while two chunks are on their way: nothing of either is left, and the error is told.
    [Fact]
    public void A_GPU_that_is_lost_on_the_way_leaves_nothing()
    {
        using var scope = NewDisposeScope();
        Tensor video = Videos().First();
        long before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        var copies = new LateCopies { RefusesToPin = true };
        var download = new FrameDownload(_ => copies);
        Assert.Null(download.Add(video));
        copies.WaitFailure = new EnvironmentException("cuda", "lost");
        Assert.Throws<EnvironmentException>(() => download.Add(video));
        Assert.Throws<EnvironmentException>(download.Dispose);
        Assert.True(copies.Disposed);
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        download.Dispose();
    }

    private static FileReceiver Receiver(string path, FrameDownload download, CancellationToken cancellationToken) => new(
        new VideoRequest { Prompt = "p", OutputPath = path },
        new PipelineRequest
        {
            Prompt = "p",
            Width = Width,
            Height = Height,
            Frames = Chunks.Sum(),
            Sampler = new() { Kind = SamplerKind.Euler, Steps = 1 },
        },
        8,
        new ModelIdentity("m", "custom", "original", AttentionKind.Dense, WeightFormat.Float, "cpu"), download, null, cancellationToken);

    private static IEnumerable<Tensor> Videos() =>
        Chunks.Select((frames, i) => rand([1, 3, frames, Height, Width], generator: new Generator((ulong)i)) * 2.2 - 1.1);
}
