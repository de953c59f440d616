using TorchSharp;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Runtime.Copies;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Tests.Runtime;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Media;

/// <summary>Frames come to host memory as they are, a chunk later where they are copied beside the computation.</summary>
public class FrameDownloadTests
{
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

    private static IEnumerable<Tensor> Videos() =>
        Chunks.Select((frames, i) => rand([1, 3, frames, 6, 10], generator: new Generator((ulong)i)) * 2.2 - 1.1);
}
