using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Tests;
using TurboDiffusion.Tests.Checkpoints;
using TurboDiffusion.Training.Loops;
using TurboDiffusion.Training.Optimization;
using Xunit;

namespace TurboDiffusion.Training.Tests.Loops;

/// <summary>What every training loop must do, on the product's own models.</summary>
public abstract class TrainingLoopConformance
{
    protected virtual TrainingOptions Options => new()
    {
        Iterations = 30,
        Seed = 7,
        BatchSize = 2,
        Optimizer = new AdamWOptions { LearningRate = 3e-3 },
        Schedule = new LearningRateSchedule { WarmUp = 3 },
        SaveEvery = 0,
    };

    protected abstract ITrainingTask Create(TrainingOptions options);

    /// <summary>How far the models are from what this loop trains them to do; lower is better.</summary>
    protected abstract double Shortfall(ITrainingTask task);

    [Fact]
    public void Training_makes_the_model_better()
    {
        using var folder = new TestFolder();
        ITrainingTask task = Create(Options);
        double before = Shortfall(task);
        Train(task, Options, folder.Path);
        double after = Shortfall(task);
        TestContext.Current.TestOutputHelper?.WriteLine($"{task.Name}: {before:G4} → {after:G4}");
        Assert.True(after < 0.9 * before, $"{task.Name}: {before:G4} → {after:G4}");
    }

    [Fact]
    public void A_seed_gives_the_same_ten_losses_and_another_seed_others()
    {
        using TestFolder first = new(), second = new(), other = new();
        TrainingOptions ten = Options with { Iterations = 10 };
        List<double> losses = Train(Create(ten), ten, first.Path);
        Assert.True(losses.Count >= 10);
        Assert.All(losses, l => Assert.True(double.IsFinite(l)));
        Assert.Equal(losses, Train(Create(ten), ten, second.Path));
        TrainingOptions elsewhere = ten with { Seed = 8 };
        Assert.NotEqual(losses, Train(Create(elsewhere), elsewhere, other.Path));
    }

    [Fact]
    public void A_run_that_was_stopped_and_resumed_is_bit_for_bit_the_run_that_was_not()
    {
        using TestFolder whole = new(), parts = new();
        TrainingOptions options = Options with { Iterations = 7, Accumulation = 2 };
        ITrainingTask uninterrupted = Create(options), stopped = Create(options), resumed = Create(options);
        List<double> expected = Train(uninterrupted, options, whole.Path), losses = [];

        using (var cancel = new CancellationTokenSource())
        {
            var trainer = new Trainer(stopped, options, parts.Path);
            Assert.Throws<OperationCanceledException>(() => trainer.Run(new Collect(p =>
            {
                losses.AddRange(p.Losses.Values);
                if (p.Iteration == 4) cancel.Cancel();
            }), cancel.Token));
            Assert.Equal(4, trainer.Iteration);
        }
        losses.AddRange(Train(resumed, options, parts.Path));

        Assert.Equal(expected, losses);
        foreach ((KeyValuePair<string, torch.Tensor> a, KeyValuePair<string, torch.Tensor> b) in
                 uninterrupted.Models.SelectMany(m => m.State).Zip(resumed.Models.SelectMany(m => m.State)))
            Comparison.Exact(a.Value, b.Value, a.Key);
        Assert.Equal(File.ReadAllBytes(Path.Combine(whole.Path, Trainer.StateFile)),
            File.ReadAllBytes(Path.Combine(parts.Path, Trainer.StateFile)));
    }

    [Fact]
    public void Training_leaves_no_tensors_behind()
    {
        using var folder = new TestFolder();
        ITrainingTask task = Create(Options);
        var trainer = new Trainer(task, Options with { Iterations = 5 }, folder.Path);
        var live = new List<long>();
        trainer.Run(new Collect(_ => live.Add(DisposeScopeManager.Statistics.ThreadTotalLiveCount)), TestContext.Current.CancellationToken);
        // The first iterations may create what stays (lazily made tables); later ones must not add to it.
        Assert.True(live[^1] <= live[2], string.Join(", ", live));
    }

    protected static List<double> Train(ITrainingTask task, TrainingOptions options, string folder)
    {
        var losses = new List<double>();
        new Trainer(task, options, folder).Run(new Collect(p => losses.AddRange(p.Losses.Values)), TestContext.Current.CancellationToken);
        return losses;
    }

    protected sealed class Collect(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }
}
