using TurboDiffusion.Evaluation;
using TurboDiffusion.Sampling;
using TurboDiffusion.Tests.Checkpoints;
using TurboDiffusion.Training.Configuration;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Loops;
using TurboDiffusion.Training.Networks;
using TurboDiffusion.Training.Optimization;
using TurboDiffusion.Training.Samples;
using Xunit;

namespace TurboDiffusion.Training.Tests.Samples;

public class ScoreTests
{
    private static readonly ScoreOptions Few = new()
    {
        Every = 2, Prompts = 2, TwoObjectPrompts = 0, Width = 64, Height = 48, Frames = 9, Batch = 2,
    };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void Scores_are_of_the_beginning_the_way_and_the_end_and_change_nothing()
    {
        using var folder = new TestFolder();
        var config = new VaeTrainingConfig
        {
            Output = folder.File("with"), World = new WorldOptions { Clips = 2, Width = 64, Height = 48, Frames = 5 }, Width = 8,
                Frames = 5, Height = 16, CropWidth = 16,
            Loss = new() { Objects = 0.5 }, Scores = Few, Training = new TrainingOptions { Iterations = 3, SaveEvery = 0 },
        };
        TrainingRun.Run(config, null, Token);
        IReadOnlyList<ScoreLine> lines = ScoreLine.Read(Path.Combine(config.Output, ScoreObserver.File));
        Assert.Equal([0, 2, 3], lines.Select(l => l.Iteration));
        Assert.All(lines, l => Assert.Equal(2, l.Scores.Clips));
        Assert.True(File.Exists(Path.Combine(config.Output, ScoreObserver.BestFile)));

        VaeTrainingConfig without = config with { Output = folder.File("without"), Scores = null };
        TrainingRun.Run(without, null, Token);
        foreach (string file in new[] { Trainer.StateFile, TrainingRun.ModelFile })
            Assert.Equal(File.ReadAllBytes(Path.Combine(without.Output, file)), File.ReadAllBytes(Path.Combine(config.Output, file)));
    }

    [Fact]
    public void The_best_state_is_kept_and_a_run_that_falls_is_stopped_with_words()
    {
        using var folder = new TestFolder();
        using var vae = Loops.SmallWorld.Vae();
        using var model = new TrainedModel("vae", vae, new AdamWOptions());
        HeldOutClips? scenes = null;
        bool right = true;
        // Real clips stand for a model that is right; for one that is not, clips of nothing.
        ScoreObserver Observer() => new([model], Few with { Fall = 0.5 }, clips =>
        {
            scenes = clips;
            return (prompts, _) => right ? clips.Render(prompts) : [.. prompts.Select(_ => new byte[9 * 48 * 64 * 3])];
        }, folder.Path);
        ScoreObserver observer = Observer();
        right = false;
        observer.Begin(0, Token);
        right = true;
        observer.Observe(At(1), Token);
        Assert.Single(ScoreLine.Read(folder.File(ScoreObserver.File)));
        observer.Observe(At(2), Token);
        byte[] best = File.ReadAllBytes(folder.File(ScoreObserver.BestFile));
        Assert.Equal(1, ScoreLine.Read(folder.File(ScoreObserver.File))[^1].Scores.All);
        Assert.Equal(2, scenes!.Prompts.Count);

        // A run that is continued knows what it had.
        right = false;
        observer = Observer();
        observer.Begin(2, Token);
        Assert.Equal([0, 2], ScoreLine.Read(folder.File(ScoreObserver.File)).Select(l => l.Iteration));
        InvalidRequestException stopped = Assert.Throws<InvalidRequestException>(() => observer.Observe(At(4), Token));
        Assert.Contains("after iteration 4", stopped.Message);
        Assert.Contains("after iteration 2", stopped.Message);
        Assert.Equal(best, File.ReadAllBytes(folder.File(ScoreObserver.BestFile)));
        Assert.Throws<InvalidRequestException>(() => new ScoreObserver([model], Few with { Prompts = 0 }, _ => (_, _) => [], folder.Path));
    }

    [Fact]
    public void The_seconds_of_a_run_that_is_continued_go_on()
    {
        using var folder = new TestFolder();
        using var vae = Loops.SmallWorld.Vae();
        using var model = new TrainedModel("vae", vae, new AdamWOptions());
        File.WriteAllLines(folder.File(ScoreObserver.File), [Header, "0,2,2,1,1,1,1,0.5", "2,1000,2,1,1,1,1,0.5"]);
        var observer = new ScoreObserver([model], Few, clips => (prompts, _) => clips.Render(prompts), folder.Path);
        observer.Begin(2, Token);
        observer.Observe(At(4), Token);
        Assert.InRange(ScoreLine.Read(folder.File(ScoreObserver.File))[^1].Seconds, 1000, 1200);
    }

    [Fact]
    public void What_was_scored_after_the_last_save_is_scored_again()
    {
        using var folder = new TestFolder();
        using var vae = Loops.SmallWorld.Vae();
        using var model = new TrainedModel("vae", vae, new AdamWOptions());
        File.WriteAllLines(folder.File(ScoreObserver.File), [Header, "0,2,2,1,1,1,1,0.5", "2,10,2,1,1,1,1,0.5", "4,1000,2,1,1,1,1,0.5"]);
        var observer = new ScoreObserver([model], Few, clips => (prompts, _) => clips.Render(prompts), folder.Path);
        observer.Begin(2, Token);
        observer.Observe(At(4), Token);
        IReadOnlyList<ScoreLine> lines = ScoreLine.Read(folder.File(ScoreObserver.File));
        Assert.Equal([0, 2, 4], lines.Select(l => l.Iteration));
        Assert.InRange(lines[^1].Seconds, 10, 200);
        // Between two scores: of the state that the run goes on from there is none yet.
        observer.Begin(1, Token);
        Assert.Equal([0, 1], ScoreLine.Read(folder.File(ScoreObserver.File)).Select(l => l.Iteration));
    }

    [Theory]
    [InlineData("0.5", 0, 0, true, false)]
    [InlineData("0.5 0.7 0.7", 1, 2, true, false)]
    [InlineData("0.5 0.7 0.6", 1, 2, false, false)]
    [InlineData("0.5 0.7 0.4", 1, 2, false, true)]
    [InlineData("0.5 0.4", 0, 1, false, true)]
    public void A_summary_is_of_the_start_the_best_and_the_end(string all, int best, int end, bool endsAtBest, bool endsBelowStart)
    {
        using var folder = new TestFolder();
        Assert.Null(ScoreSummary.Read(folder.Path));
        File.WriteAllLines(folder.File(ScoreObserver.File), [Header, .. all.Split(' ').Select((a, i) => $"{i},{i},130,1,1,1,1,{a}")]);
        ScoreSummary read = ScoreSummary.Read(folder.Path)!;
        Assert.Equal((0, best, end), (read.Start.Iteration, read.Best.Iteration, read.End.Iteration));
        Assert.Equal((endsAtBest, endsBelowStart), (read.EndsAtBest, read.EndsBelowStart));
    }

    private const string Header = "iteration,seconds,clips,shape,color,background,motion,all";

    private static TrainingProgress At(int iteration) =>
        new(iteration, 100, "vae", new Dictionary<string, double>(), 0, 0, false, TimeSpan.Zero, TimeSpan.Zero);
}
