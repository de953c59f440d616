using TorchSharp;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Generation.Planning;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Sampling;
using Xunit;

namespace TurboDiffusion.Tests.Generation;

public class PreviewTests(SmallModelFixture models)
{
    private static readonly VideoModelOptions Cpu = new() { Device = "cpu" };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(SamplerKind.Rcm, true)]
    [InlineData(SamplerKind.UniPc, true)]
    [InlineData(SamplerKind.Rcm, false)]
    public void Watching_every_step_changes_no_byte_of_the_video(SamplerKind sampler, bool tiny)
    {
        using VideoModel model = Open(tiny);
        VideoRequest alone = Request() with { Sampler = sampler, Steps = 3 }, watched = alone with { OutputPath = Request().OutputPath };
        model.Generate(alone, cancellationToken: Token);
        using var watcher = new Watcher();
        model.Generate(watched, observer: watcher, cancellationToken: Token);
        Assert.Equal(File.ReadAllBytes(alone.OutputPath), File.ReadAllBytes(watched.OutputPath));
        Assert.Equal([(0, 1, 3), (0, 2, 3), (0, 3, 3)], watcher.Previews.Select(p => (p.Video, p.Step, p.Steps)));
        Assert.All(watcher.Previews, p => Assert.Equal(tiny ? [1, 3, 9, 32, 32] : [1, 3, 1, 32, 32], p.Frames.shape));
    }

    [Fact]
    public void The_last_preview_is_the_video_as_its_decoder_shows_it()
    {
        // The full VAE's first frame is the video's own; the tiny one's frames are those of a video that it decodes.
        foreach (bool tiny in new[] { false, true })
        {
            using var watcher = new Watcher();
            using (VideoModel model = Open(tiny)) model.Generate(Request(), observer: watcher, cancellationToken: Token);
            using var expected = new Watcher();
            using (VideoModel model = Open(tiny: true, Cpu with { TinyVae = tiny }))
                model.Generate(Request(), observer: expected, cancellationToken: Token);
            torch.Tensor shown = watcher.Previews[^1].Frames;
            Comparison.Exact(expected.Video.narrow(0, 0, shown.shape[2]), VideoFrames.FromModelOutput(shown.squeeze(0)),
                $"last preview, tiny {tiny}");
            // Every step predicts something else.
            Assert.All(watcher.Previews.SkipLast(1), p => Assert.False(p.Frames.equal(shown).all().ToBoolean()));
        }
    }

    [Fact]
    public void With_low_memory_previews_need_a_tiny_autoencoder()
    {
        using var none = new Watcher();
        using (VideoModel model = Open(tiny: false, Cpu with { Residency = Residency.Staged }))
        {
            Assert.False(model.HasPreviews);
            model.Generate(Request(), observer: none, cancellationToken: Token);
        }
        Assert.Empty(none.Previews);
        using var some = new Watcher();
        using (VideoModel model = Open(tiny: true, Cpu with { Residency = Residency.Staged }))
        {
            Assert.True(model.HasPreviews);
            model.Generate(Request(), observer: some, cancellationToken: Token);
        }
        Assert.Equal(2, some.Previews.Count);
    }

    [Fact]
    public void A_tiny_autoencoder_that_is_none_is_refused_and_one_of_other_latents_is_left_out_with_a_warning()
    {
        ModelFiles files = models.TextToVideo;
        Assert.Contains("is not a tiny autoencoder",
            Assert.Throws<CheckpointException>(() => VideoModel.Open(files with { TinyVae = files.Transformer }, Cpu)).Message);
        string other = Path.Combine(models.NewFolder(), "taew2_2.safetensors");
        using (var network = new TurboDiffusion.Models.TinyVae.TinyVideoAutoencoder(new(48, 2, (8, 8, 8, 8), 8),
            TurboDiffusion.Runtime.Placement.Meta))
        using (var random = new TurboDiffusion.Models.RandomCheckpoint(network, 0))
            TurboDiffusion.Checkpoints.SafetensorsWriter.Write(other, TurboDiffusion.Checkpoints.TensorSource.From(random));
        using VideoModel model = VideoModel.Open(files with { TinyVae = other }, Cpu);
        Assert.Contains("48 channels, 16 pixels apart", Assert.Single(model.Warnings));
        Assert.Null(model.Components.PreviewVae);
    }

    // Wherever it is told something; at the second chunk, the first is being encoded.
    [Theory]
    [InlineData("preview", "video.mp4")]
    [InlineData("begin", "video.mp4")]
    [InlineData("write", "video.mp4")]
    [InlineData("write", "frames/")]
    public void A_watcher_that_fails_ends_the_generation_and_leaves_nothing(string at, string name)
    {
        using VideoModel model = Open(tiny: true);
        string folder = models.NewFolder();
        VideoRequest request = Request() with { OutputPath = Path.Combine(folder, name) };
        long tensors = 0;
        for (int i = 0; i < 2; i++)
        {
            // It is the watcher's own.
            IOException error = Assert.Throws<IOException>(
                () => model.Generate(request, observer: new Failing(at), cancellationToken: Token));
            Assert.Equal(at, error.Message);
            Assert.Empty(Directory.GetFileSystemEntries(folder));
            // The models that the first run loaded stay.
            if (i == 0) tensors = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        }
        Assert.Equal(tensors, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        Assert.Single(model.Generate(request, cancellationToken: Token));
    }

    private VideoRequest Request() => models.Request() with { Frames = 9 };

    private VideoModel Open(bool tiny, VideoModelOptions? options = null) =>
        VideoModel.Open(tiny ? models.TextToVideo : models.TextToVideo with { TinyVae = null }, options ?? Cpu);

    /// <summary>Keeps what it is shown.</summary>
    private sealed class Watcher : IVideoObserver, IDisposable
    {
        private readonly List<torch.Tensor> _chunks = [];

        public List<(int Video, int Step, int Steps, torch.Tensor Frames)> Previews { get; } = [];

        public torch.Tensor Video => torch.cat([.. _chunks], 0);

        public void Preview(ClipPreview preview)
        {
            using var scope = torch.NewDisposeScope();
            torch.Tensor frames = torch.cat([.. preview.Frames()], 2).DetachFromDisposeScope();
            Assert.Equal(preview.FrameCount, frames.shape[2]);
            Previews.Add((preview.Video, preview.Step, preview.TotalSteps, frames));
        }

        public void Write(torch.Tensor levels) => _chunks.Add(levels.clone().DetachFromDisposeScope());

        public void Dispose()
        {
            foreach (torch.Tensor tensor in _chunks.Concat(Previews.Select(p => p.Frames))) tensor.Dispose();
        }
    }

    private sealed class Failing(string at) : IVideoObserver
    {
        private int _chunks;

        public void Preview(ClipPreview preview)
        {
            foreach (torch.Tensor frames in preview.Frames())
                using (frames) FailAt("preview");
        }

        public void Begin(int video, ulong seed) => FailAt("begin");

        public void Write(torch.Tensor levels)
        {
            if (++_chunks == 2) FailAt("write");
        }

        private void FailAt(string place)
        {
            if (place == at) throw new IOException(at);
        }
    }
}
