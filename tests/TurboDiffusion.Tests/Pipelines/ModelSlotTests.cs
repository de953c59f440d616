using TurboDiffusion.Generation;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Tests.Generation;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Pipelines;

public class ModelSlotTests(SmallModelFixture models)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void A_model_is_loaded_ahead_by_another_thread_and_its_progress_told_to_who_waits()
    {
        using var begun = new ManualResetEventSlim();
        using var half = new ManualResetEventSlim();
        int loads = 0, thread = Environment.CurrentManagedThreadId;
        using var slot = new ModelSlot<Model>((progress, _) =>
        {
            Assert.NotEqual(thread, Environment.CurrentManagedThreadId);
            loads++;
            begun.Set();
            progress!.Report((1, 2));
            Assert.True(half.Wait(Patience));
            progress.Report((2, 2));
            return new Model();
        }, keepLoaded: true);
        slot.LoadAhead(Task.CompletedTask, Token);
        // Before it is asked for.
        Assert.True(begun.Wait(Patience, Token));
        Assert.False(slot.IsLoaded);
        var told = new Told(p =>
        {
            Assert.Equal(thread, Environment.CurrentManagedThreadId);
            if (p == (1, 2)) half.Set();
        });
        Model model = slot.Get(told, Token);
        Assert.Equal([(1, 2), (2, 2)], told.All);
        Assert.Same(model, slot.Get(null, Token));
        Assert.True(slot.LoadAhead(Task.CompletedTask, Token).IsCompletedSuccessfully);
        Assert.Equal(1, loads);
        slot.Dispose();
        Assert.True(model.Disposed);
    }

    [Fact]
    public void One_model_is_loaded_after_the_other_and_an_error_is_that_of_who_asks_for_it()
    {
        var order = new List<string>();
        using var first = new ModelSlot<Model>((_, _) =>
        {
            order.Add("first");
            throw new EnvironmentException("cuda", "lost");
        }, keepLoaded: true);
        using var second = new ModelSlot<Model>((_, _) =>
        {
            order.Add("second");
            return new Model();
        }, keepLoaded: true);
        second.LoadAhead(first.LoadAhead(Task.CompletedTask, Token), Token);
        second.Get(null, Token);
        Assert.Equal(["first", "second"], order);
        Assert.Throws<EnvironmentException>(() => first.Get(null, Token));
        // The next call tries again, by itself.
        Assert.Throws<EnvironmentException>(() => first.Get(null, Token));
        Assert.Equal(["first", "second", "first"], order);
    }

    [Fact]
    public void What_nobody_asked_for_is_stopped_and_freed()
    {
        var made = new Model();
        using var slot = new ModelSlot<Model>((_, _) => made, keepLoaded: true);
        slot.LoadAhead(Task.CompletedTask, Token);
        slot.GiveUpAhead();
        // It was made, and freed; or it was not begun.
        Assert.False(slot.IsLoaded);
        using var begun = new ManualResetEventSlim();
        using var endless = new ModelSlot<Model>((_, stop) =>
        {
            begun.Set();
            stop.WaitHandle.WaitOne(Patience);
            stop.ThrowIfCancellationRequested();
            return new Model();
        }, keepLoaded: true);
        Task load = endless.LoadAhead(Task.CompletedTask, Token);
        Assert.True(begun.Wait(Patience, Token));
        endless.GiveUpAhead();
        Assert.True(load.IsCompleted && !load.IsCompletedSuccessfully);
        using var source = new CancellationTokenSource();
        endless.LoadAhead(Task.CompletedTask, source.Token);
        source.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => endless.Get(null, source.Token));
    }

    [Fact]
    public void A_model_that_does_not_stay_is_not_loaded_ahead()
    {
        int loads = 0;
        using var slot = new ModelSlot<Model>((_, _) =>
        {
            loads++;
            return new Model();
        }, keepLoaded: false);
        Assert.True(slot.LoadAhead(Task.CompletedTask, Token).IsCompletedSuccessfully);
        Assert.Equal(0, loads);
    }

    [Fact]
    public void A_pipeline_that_loads_ahead_gives_the_same_frames_and_its_progress_never_falls()
    {
        (List<Tensor> Frames, List<GenerationProgress> Seen) Run(bool ahead)
        {
            using VideoModel model = VideoModel.Open(models.TextToVideo, new VideoModelOptions { Device = "cpu" });
            using var pipeline = new WanPipeline(model.Components) { LoadsAhead = ahead };
            var watch = new Watch();
            pipeline.Run(model.Check(models.Request()), watch, watch, Token);
            Assert.True(model.Components.Experts[0].IsLoaded && model.Components.Vae.IsLoaded);
            return (watch.Frames, watch.Seen);
        }

        using var scope = NewDisposeScope();
        (List<Tensor> plain, _) = Run(ahead: false);
        (List<Tensor> frames, List<GenerationProgress> seen) = Run(ahead: true);
        foreach ((Tensor expected, Tensor actual) in plain.Zip(frames)) Comparison.Exact(expected, actual, "frames");
        Assert.Equal(2, frames.Count);
        Assert.All(seen.Zip(seen.Skip(1)), p => Assert.True(p.First.Fraction <= p.Second.Fraction));
        Assert.Equal(100, seen[^1].Percent);
        // Every model is told to its end, whoever has loaded it.
        Assert.Equal(3, seen.Count(p => p is { Stage: GenerationStage.Loading, TotalSteps: > 0 } && p.Step == p.TotalSteps));
    }

    [Fact]
    public void A_generation_that_ends_while_it_loads_ahead_leaves_nothing_behind()
    {
        using var scope = NewDisposeScope();
        using VideoModel model = VideoModel.Open(models.TextToVideo, new VideoModelOptions { Device = "cpu" });
        using var pipeline = new WanPipeline(model.Components) { LoadsAhead = true };
        using var source = new CancellationTokenSource();
        var watch = new Watch
        {
            OnProgress = p =>
            {
                if (p.Stage == GenerationStage.EncodingText) source.Cancel();
            },
        };
        PipelineRequest request = model.Check(models.Request());
        Assert.ThrowsAny<OperationCanceledException>(() => pipeline.Run(request, watch, watch, source.Token));
        Assert.False(model.Components.Experts[0].IsLoaded || model.Components.Vae.IsLoaded);
        pipeline.Run(request, new Watch(), null, Token);
    }

    private sealed class Watch : IProgress<GenerationProgress>, IVideoReceiver
    {
        public List<Tensor> Frames { get; } = [];

        public List<GenerationProgress> Seen { get; } = [];

        public Action<GenerationProgress>? OnProgress { get; init; }

        public void Report(GenerationProgress value)
        {
            Seen.Add(value);
            OnProgress?.Invoke(value);
        }

        public void Begin(int video, ulong seed)
        {
        }

        public void Write(Tensor frames) => Frames.Add(frames.clone().DetachFromDisposeScope());

        public void End()
        {
        }
    }

    private sealed class Model : IDisposable
    {
        public bool Disposed { get; private set; }

        public void Dispose() => Disposed = true;
    }

    private sealed class Told(Action<(int, int)> report) : IProgress<(int Done, int Total)>
    {
        public List<(int, int)> All { get; } = [];

        void IProgress<(int Done, int Total)>.Report((int Done, int Total) value)
        {
            All.Add(value);
            report(value);
        }
    }
}
