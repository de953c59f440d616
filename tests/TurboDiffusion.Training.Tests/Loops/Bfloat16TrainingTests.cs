using TorchSharp;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using TurboDiffusion.Tests;
using TurboDiffusion.Tests.Checkpoints;
using TurboDiffusion.Training.Losses;
using TurboDiffusion.Training.Loops;
using TurboDiffusion.Training.Networks;
using TurboDiffusion.Training.Optimization;
using Xunit;

namespace TurboDiffusion.Training.Tests.Loops;

public class Bfloat16TrainingTests
{
    [Fact]
    public void Narrow_weights_with_recomputation_learn_on_the_cpu() => Learn(torch.CPU);

    [Fact]
    [Trait("Category", "Gpu")]
    public void Narrow_weights_with_recomputation_learn_on_a_gpu()
    {
        RequiredGpu.Check();
        Learn(torch.CUDA);
    }

    private static void Learn(torch.Device device)
    {
        using var folder = new TestFolder();
        WanModel onCpu = SmallWorld.Transformer();
        using var model = new WanModel(onCpu.Config, onCpu.Attention, WeightFormat.Float,
            new Placement(device, torch.ScalarType.BFloat16)) { RecomputesActivations = true };
        Weights.Copy(onCpu, model);
        var options = new TrainingOptions
        {
            Iterations = 30, BatchSize = 4, Optimizer = new AdamWOptions { LearningRate = 3e-3 }, SaveEvery = 0,
        };
        using var task = new TeacherTraining(model, SmallWorld.Latents(), new ShiftedUniformTimes(3), 0.1, options);
        var losses = new List<double>();
        new Trainer(task, options, folder.Path).Run(new Record(losses), TestContext.Current.CancellationToken);
        Assert.True(losses.TakeLast(10).Average() < 0.85 * losses.Take(10).Average(), string.Join(", ", losses));
    }

    private sealed class Record(List<double> losses) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => losses.AddRange(value.Losses.Values);
    }
}
