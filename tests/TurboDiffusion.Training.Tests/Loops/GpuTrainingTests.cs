using TorchSharp;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using TurboDiffusion.Tests.Checkpoints;
using TurboDiffusion.Training.Losses;
using TurboDiffusion.Training.Loops;
using TurboDiffusion.Training.Networks;
using TurboDiffusion.Training.Optimization;
using Xunit;

namespace TurboDiffusion.Training.Tests.Loops;

[Trait("Category", "Gpu")]
public class GpuTrainingTests
{
    [Fact]
    public void Bfloat16_training_with_recomputation_learns_on_a_gpu()
    {
        Assert.SkipUnless(torch.cuda_is_available(), "there is no GPU that libtorch can use");
        using var folder = new TestFolder();
        WanModel onCpu = SmallWorld.Transformer();
        using var model = new WanModel(onCpu.Config, onCpu.Attention, WeightFormat.Float, new Placement(torch.CUDA, torch.ScalarType.BFloat16)) { RecomputesActivations = true };
        Weights.Copy(onCpu, model);
        var options = new TrainingOptions { Iterations = 60, BatchSize = 4, Optimizer = new AdamWOptions { LearningRate = 3e-3 }, SaveEvery = 0 };
        using var task = new TeacherTraining(model, SmallWorld.Latents(), new ShiftedUniformTimes(3), 0.1, options);
        var losses = new List<double>();
        new Trainer(task, options, folder.Path).Run(new Record(losses), TestContext.Current.CancellationToken);
        Assert.True(losses.TakeLast(10).Average() < 0.8 * losses.Take(10).Average(), string.Join(", ", losses));
    }

    private sealed class Record(List<double> losses) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => losses.AddRange(value.Losses.Values);
    }
}
