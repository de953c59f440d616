using TorchSharp;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Sampling;
using TurboDiffusion.Tests.Checkpoints;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Losses;
using TurboDiffusion.Training.Loops;
using TurboDiffusion.Training.Networks;
using TurboDiffusion.Training.Optimization;

namespace TurboDiffusion.Training.Tests.Loops;

public class TeacherTrainingTests : TrainingLoopConformance
{
    /// <summary>What the model is given of images.</summary>
    protected virtual ImageInput Image => ImageInput.None;

    protected override ITrainingTask Create(TrainingOptions options) =>
        new TeacherTraining(SmallWorld.Transformer(), SmallWorld.Latents(), new ShiftedUniformTimes(3), 0.1, options);

    protected override double Shortfall(ITrainingTask task) => Evaluate(() =>
    {
        LatentBatch batch = SmallWorld.Latents(Image).Draw(8, new PhiloxNoise(5));
        return new FlowMatchingLoss(new WanNetwork((WanModel)task.Models[0].Module), new ShiftedUniformTimes(3), 0)
            .Compute(batch.Latents, batch.Condition, batch.Negative, new PhiloxNoise(6)).PerSample.mean();
    });

    internal static double Evaluate(Func<torch.Tensor> compute)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        return compute().to(torch.ScalarType.Float64).item<double>();
    }
}

public class SlaTuningTests : TrainingLoopConformance
{
    /// <summary>What the models are given of images.</summary>
    protected virtual ImageInput Image => ImageInput.None;

    protected WanModel Teacher => field ??= SmallWorld.Transformer(trained: true, image: Image);

    protected override TrainingOptions Options => base.Options with
    {
        Iterations = 60,
        BatchSize = 8,
        Optimizer = new AdamWOptions { LearningRate = 1e-3 },
        Schedule = new LearningRateSchedule { DecayUpdates = 60 },
    };

    protected override ITrainingTask Create(TrainingOptions options) =>
        new SlaTuning(SmallWorld.Copy(Teacher, SmallWorld.Sparse), Teacher, SmallWorld.Latents(), new LogNormalTimes(1.5, 1.6), options);

    protected override double Shortfall(ITrainingTask task) => TeacherTrainingTests.Evaluate(() =>
    {
        LatentBatch batch = SmallWorld.Latents(Image).Draw(8, new PhiloxNoise(5));
        return new SparseAttentionTuningLoss(new WanNetwork((WanModel)task.Models[0].Module), new WanNetwork(Teacher),
            new LogNormalTimes(1.5, 1.6))
            .Compute(batch.Latents, batch.Condition, new PhiloxNoise(6)).PerSample.mean();
    });
}

/// <summary>sCM with DMD and its critic; <see cref="DiscreteRcmTests"/> is the other form.</summary>
public class RcmDistillationTests : TrainingLoopConformance
{
    private static readonly Lazy<WanModel> Trained = new(() =>
    {
        WanModel model = SmallWorld.Transformer();
        using var folder = new TestFolder();
        var options = new TrainingOptions
        {
            Iterations = 150, BatchSize = 4, Optimizer = new AdamWOptions { LearningRate = 3e-3 }, SaveEvery = 0,
        };
        new Trainer(new TeacherTraining(model, SmallWorld.Latents(), new ShiftedUniformTimes(3), 0.2, options), options, folder.Path).Run();
        return model;
    });

    protected static WanModel Teacher => Trained.Value;

    protected override TrainingOptions Options => base.Options
        with { Iterations = 60, Optimizer = new AdamWOptions { LearningRate = 6e-4 } };

    protected virtual RcmOptions Rcm => new() { TangentWarmUp = 5, TeacherGuidance = 2, StudentInterval = 2, FiniteDifferenceStep = 1e-2 };

    protected override ITrainingTask Create(TrainingOptions options) => new RcmDistillation(
        SmallWorld.Copy(Teacher), Teacher, SmallWorld.Copy(Teacher), SmallWorld.Latents(), new LogNormalTimes(0.7, 1.6),
        new ShiftedUniformTimes(5), Rcm, new AdamWOptions { LearningRate = 1e-3 }, options);

    /// <summary>The distance of one student step from where the guided teacher's flow ends.</summary>
    protected override double Shortfall(ITrainingTask task) => TeacherTrainingTests.Evaluate(() =>
    {
        LatentBatch batch = SmallWorld.Latents().Draw(4, new PhiloxNoise(5));
        torch.Tensor noise = new PhiloxNoise(6).Normal(batch.Latents.shape);
        torch.Tensor flow = Sample(Teacher, new EulerSampler(12, 3), noise, batch, Rcm.TeacherGuidance);
        torch.Tensor jump = Sample((WanModel)task.Models[0].Module, new RcmSampler(1, 80), noise, batch, 1);
        return (flow - jump).square().mean();
    });

    private static torch.Tensor Sample(WanModel model, ISampler sampler, torch.Tensor noise, LatentBatch batch, double guidance) =>
        DenoisingLoop.Run(sampler, noise, (x, timestep, _, _) =>
        {
            torch.Tensor x32 = x.to(torch.ScalarType.Float32), t = torch.full([x.shape[0]], timestep, torch.ScalarType.Float32);
            torch.Tensor positive = new WanNetwork(model).Predict(x32, t, batch.Condition);
            if (guidance == 1) return positive;
            torch.Tensor negative = new WanNetwork(model).Predict(x32, t, batch.Negative);
            return negative + guidance * (positive - negative);
        }, new PhiloxNoise(0));
}

public class DiscreteRcmTests : RcmDistillationTests
{
    protected override RcmOptions Rcm => base.Rcm with { Discrete = true };
}

public class VaeTrainingTests : TrainingLoopConformance
{
    protected override TrainingOptions Options => base.Options with { BatchSize = 1, Iterations = 20 };

    protected override ITrainingTask Create(TrainingOptions options) =>
        new VaeTraining(SmallWorld.Vae(), SmallWorld.Clips(), new VaeLossOptions { Divergence = 1e-4 }, options);

    protected override double Shortfall(ITrainingTask task) => TeacherTrainingTests.Evaluate(() =>
        new VaeLoss((Models.Vae.WanVae)task.Models[0].Module, new VaeLossOptions { Divergence = 1e-4 })
            .Compute(SmallWorld.Clips().Draw(4, new PhiloxNoise(5)), new PhiloxNoise(6)).PerSample.mean());
}
