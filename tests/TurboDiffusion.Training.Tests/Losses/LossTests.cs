using TorchSharp;
using TurboDiffusion.Sampling;
using TurboDiffusion.Tests;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Losses;
using TurboDiffusion.Training.Networks;
using Xunit;

namespace TurboDiffusion.Training.Tests.Losses;

public class LossTests
{
    private static readonly long[] Shape = [3, 2, 2, 3, 4];
    private static readonly RcmOptions Rcm = new() { TangentWarmUp = 10, TeacherGuidance = 3 };

    [Fact]
    public void The_wrapped_network_recovers_the_clean_sample_and_the_velocity()
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor clean = Noise(1), noise = Noise(2), time = torch.tensor([0.01, 0.8, Math.PI / 2]);
        torch.Tensor noisy = TrigFlow.Mix(clean, noise, time), t = time.view(-1, 1, 1, 1, 1);
        var exact = new Network((_, _, _) => noise - clean);
        TrigPrediction prediction = TrigFlow.Predict(exact, noisy, time, new Condition(torch.zeros(3, 1, 1)));
        Comparison.Elementwise(clean, prediction.Clean, 1e-5, 1e-5, "clean");
        Comparison.Elementwise(t.cos() * noise - t.sin() * clean, prediction.Velocity, 1e-5, 1e-5, "velocity");
        torch.Tensor level = torch.tensor([0.0, 0.3, 1.0]), back = TrigFlow.FromLevel(level);
        Comparison.Elementwise(level, back.sin() / (back.sin() + back.cos()), 1e-12, 1e-12, "levels");
        Assert.Equal(Math.PI / 2, back[2].item<double>(), 1e-12);
    }

    [Fact]
    public void Halved_latents_have_to_decode_to_the_halved_video()
    {
        using var scope = torch.NewDisposeScope();
        using var vae = Loops.SmallWorld.Vae();
        using var noGradient = torch.no_grad();
        torch.Tensor video = new PhiloxNoise(4).Normal(2, 3, 5, 32, 32).clamp(-1, 1);
        var options = new VaeLossOptions { Differences = 0, Divergence = 0, Halved = 1 };
        LossResult result = new VaeLoss(vae, options).Compute(new ClipBatch(video), new PhiloxNoise(5));
        Assert.Equal([2, 3, 5, 16, 16], result.Intermediates["reconstruction"].shape);
        torch.Tensor halved = video.view(2, 3, 5, 16, 2, 16, 2).mean([4, 6]);
        Comparison.Elementwise((result.Intermediates["reconstruction"] - halved).abs().mean([1, 2, 3, 4]), result.PerSample, 1e-5,
            1e-6, "loss");
        LossResult whole = new VaeLoss(vae, options with { Halved = 0 }).Compute(new ClipBatch(video), new PhiloxNoise(5));
        Assert.Equal(video.shape, whole.Intermediates["reconstruction"].shape);
        Assert.Contains("multiples of 16", Assert.Throws<InvalidRequestException>(() => new VaeLoss(vae, options)
            .Compute(new ClipBatch(video.narrow(4, 0, 24)), new PhiloxNoise(5))).Message);
    }

    [Fact]
    public void Objects_have_their_share_of_the_error()
    {
        using var scope = torch.NewDisposeScope();
        using var vae = Loops.SmallWorld.Vae();
        using var noGradient = torch.no_grad();
        torch.Tensor video = new PhiloxNoise(4).Normal(2, 3, 5, 32, 32).clamp(-1, 1), objects = torch.zeros([2, 1, 5, 32, 32]);
        // In one frame: a frame before and after, too, it is where something was or will be.
        objects[torch.TensorIndex.Colon, torch.TensorIndex.Colon, 2, torch.TensorIndex.Slice(4, 9), torch.TensorIndex.Slice(10, 20)] =
            torch.tensor(1f);
        var options = new VaeLossOptions { Differences = 0, Divergence = 0, Objects = 0.3 };
        LossResult result = new VaeLoss(vae, options).Compute(new ClipBatch(video, objects), new PhiloxNoise(5));
        torch.Tensor error = (result.Intermediates["reconstruction"] - video).abs();
        torch.Tensor within = error.narrow(2, 1, 3).narrow(3, 4, 5).narrow(4, 10, 10).mean([1, 2, 3, 4]);
        Comparison.Elementwise(0.7f * error.mean([1, 2, 3, 4]) + 0.3f * within, result.PerSample, 1e-5, 1e-6, "loss");
        Assert.Contains("where they are", Assert.Throws<InvalidRequestException>(() => new VaeLoss(vae, options)
            .Compute(new ClipBatch(video), new PhiloxNoise(5))).Message);
    }

    [Fact]
    public void The_guided_warm_up_asks_for_the_guided_velocity()
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor clean = Noise(1);
        var guidance = new Guidance(new Condition(torch.ones(3, 1, 1)), new Condition(torch.zeros(3, 1, 1)), 3);
        // The teacher's velocity is its text: 1 with the prompt, 0 without, so 3 with guidance.
        var teacher = new Network((x, _, condition) => condition.Text.view(-1, 1, 1, 1, 1).expand(x.shape));
        LossResult Of(float value) =>
            new GuidedVelocityLoss(new Network((x, _, _) => torch.full_like(x, value)), teacher, new ShiftedUniformTimes(1))
            .Compute(clean, guidance, new PhiloxNoise(2));
        AssertZero(Of(3), 1e-8);
        Assert.True(Of(1).PerSample.min().item<double>() > 0.1);
        RcmOptions options = Rcm with { GuidedWarmUp = 4 };
        Assert.All(Enumerable.Range(0, 14), i => Assert.True(options.IsStudentIteration(i)));
        Assert.Equal([true, false, false, false, false, true], Enumerable.Range(14, 6).Select(options.IsStudentIteration));
    }

    [Fact]
    public void Guidance_extrapolates_from_the_negative_condition_and_is_free_at_one()
    {
        using var scope = torch.NewDisposeScope();
        int calls = 0;
        var network = new Network((x, _, condition) =>
        {
            calls++;
            return condition.Text.view(-1, 1, 1, 1, 1) * torch.ones_like(x);
        });
        var guidance = new Guidance(new Condition(torch.full([3, 1, 1], 2f)), new Condition(torch.full([3, 1, 1], 1f)), 5);
        torch.Tensor time = torch.full([3], Math.PI / 2, torch.ScalarType.Float64), x = torch.zeros(Shape);
        Comparison.Elementwise(torch.full(Shape, 6.0), TrigFlow.Predict(network, x, time, guidance).Velocity, 1e-9, 1e-9, "1 + 5·(2 − 1)");
        Assert.Equal(2, calls);
        Comparison.Elementwise(torch.full(Shape, 2.0), TrigFlow.Predict(network, x, time, guidance with { Scale = 1 }).Velocity, 1e-9, 1e-9,
            "no guidance");
        Assert.Equal(3, calls);
    }

    /// <summary>For a data set of one point, the flow is a straight line to it: nothing is left for any loss to mend.</summary>
    [Fact]
    public void Every_loss_of_a_perfect_model_is_zero()
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor point = Noise(1)[..1], clean = point.expand(Shape).contiguous();
        var perfect = new Network((x, timestep, _) => (x - point) / (timestep / 1000).view(-1, 1, 1, 1, 1));
        var condition = new Condition(torch.zeros(3, 1, 1));
        var guidance = new Guidance(condition, condition, 3);
        var times = new ShiftedUniformTimes(5);
        var random = new PhiloxNoise(5);
        var simulation = new StudentSimulation(perfect, times, Rcm);
        Comparison.Elementwise(clean, simulation.Run(Shape, condition, 3, false, random), 1e-4, 1e-4, "simulation");
        AssertZero(new FlowMatchingLoss(perfect, times, 0.5).Compute(clean, condition, condition, random), 1e-6);
        AssertZero(new SparseAttentionTuningLoss(perfect, perfect, times).Compute(clean, condition, random), 1e-9);
        AssertZero(new DiscreteConsistencyLoss(perfect, perfect, Rcm).Compute(clean, guidance, random), 1e-5);
        AssertZero(new DistributionMatchingLoss(perfect, perfect, simulation, times, Rcm).Compute(Shape, guidance, 2, random), 1e-6);
        AssertZero(new CriticLoss(perfect, simulation, times).Compute(Shape, condition, 2, random), 1e-5);
        // The finite difference divides the rounding of float32 by its step: a step that is not tiny keeps it small.
        AssertZero(new ContinuousConsistencyLoss(perfect, perfect, times, Rcm with { FiniteDifferenceStep = 0.01 })
            .Compute(clean, guidance, 20, random), 0.1);
    }

    [Fact]
    public void Dropout_shows_the_negative_condition_in_its_share_of_samples()
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor seen = torch.zeros(1);
        var network = new Network((x, _, condition) =>
        {
            seen = condition.Text.flatten().clone().DetachFromDisposeScope();
            return torch.zeros_like(x);
        });
        torch.Tensor clean = torch.zeros([1000, 1, 1, 1, 1]);
        Condition positive = new(torch.ones(1000, 1, 1)), negative = new(torch.zeros(1000, 1, 1));
        new FlowMatchingLoss(network, new ShiftedUniformTimes(1), 0.1).Compute(clean, positive, negative, new PhiloxNoise(1));
        Assert.InRange(seen.mean().item<float>(), 0.87, 0.93);
        new FlowMatchingLoss(network, new ShiftedUniformTimes(1), 0).Compute(clean, positive, negative, new PhiloxNoise(1));
        Assert.Equal(1, seen.mean().item<float>());
    }

    [Fact]
    public void Times_have_their_distributions()
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor logNormal = new LogNormalTimes(0.7, 1.6).Sample(new PhiloxNoise(1), 100_000);
        torch.Tensor logSigma = (logNormal / (1 - logNormal)).log();
        Assert.Equal(0.7, logSigma.mean().item<double>(), 0.03);
        Assert.Equal(1.6, logSigma.std().item<double>(), 0.03);
        torch.Tensor shifted = new ShiftedUniformTimes(5).Sample(new PhiloxNoise(1), 100_000);
        // The median of a uniform draw, shifted: 5·½/(1 + 4·½).
        Assert.Equal(5 / 6.0, shifted.median().item<double>(), 0.01);
        Assert.True(shifted.min().item<double>() >= 0 && shifted.max().item<double>() <= 1);
        Assert.IsType<LogNormalTimes>(new TimeOptions { Mean = 1, StandardDeviation = 2 }.Create());
        Assert.IsType<ShiftedUniformTimes>(new TimeOptions { Shift = 3 }.Create());
        Assert.Throws<InvalidRequestException>(() => new TimeOptions().Create());
        Assert.Throws<InvalidRequestException>(() => new TimeOptions { Mean = 1, Shift = 2 }.Create());
    }

    [Fact]
    public void Student_and_critic_take_turns_after_the_warm_up()
    {
        Assert.All(Enumerable.Range(0, 10), i => Assert.True(Rcm.IsStudentIteration(i)));
        Assert.Equal([true, false, false, false, false, true], Enumerable.Range(10, 6).Select(Rcm.IsStudentIteration));
        // Each network cycles through 1 to 4 steps over its own updates.
        int[] Steps(bool student) => [.. Enumerable.Range(10, 40).Where(i => Rcm.IsStudentIteration(i) == student)
            .Select(Rcm.SimulationSteps)];
        Assert.Equal([3, 4, 1, 2, 3, 4, 1, 2], Steps(true));
        int[] critic = Steps(false);
        Assert.All(critic.Zip(critic.Skip(1)), pair => Assert.Equal(pair.First % 4 + 1, pair.Second));
        Assert.True((Rcm with { DistributionScale = 0 }).IsStudentIteration(11));
    }

    private static torch.Tensor Noise(ulong seed) => new PhiloxNoise(seed).Normal(Shape);

    private static void AssertZero(LossResult result, double tolerance) =>
        Comparison.Elementwise(torch.zeros_like(result.PerSample), result.PerSample, 0, tolerance, "the loss");

    private sealed class Network(Func<torch.Tensor, torch.Tensor, Condition, torch.Tensor> predict) : IVelocityNetwork
    {
        public torch.Tensor Predict(torch.Tensor x, torch.Tensor timestep, Condition condition) =>
            predict(x, timestep, condition).to(torch.ScalarType.Float32);
    }
}
