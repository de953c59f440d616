using System.Text.Json;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Losses;
using TurboDiffusion.Training.Networks;
using Xunit;

namespace TurboDiffusion.Tests.Golden;

/// <summary>One rCM training step (sCM, dCM, DMD or critic) on the case's toy network, every random draw played back.</summary>
public sealed class TrainRcmRunner : IGoldenRunner
{
    private static readonly Dictionary<string, string> Names = new()
    {
        ["xt"] = "noisy", ["df_dt"] = "tangent", ["D_xt"] = "noisy", ["G_x0"] = "sample",
        ["x0_theta_fake"] = "critic", ["x0_theta_teacher"] = "teacher",
    };

    public string Kind => "train_rcm";

    public void Run(GoldenCase golden)
    {
        RcmOptions options = Options(golden.Config);
        string step = golden.Config.GetProperty("step").GetString()!;
        int iteration = golden.Config.GetProperty("iteration").GetInt32();
        Assert.Equal(2, golden.Config.GetProperty("fd_type").GetInt32());
        Assert.Equal(step != "critic", options.IsStudentIteration(iteration));

        var student = new ToyNetwork(golden.Weights("student."));
        var teacher = new ToyNetwork(golden.Weights("teacher."));
        var critic = new ToyNetwork(golden.Weights("fake_score."));
        var draws = new RecordedDraws(golden);
        torch.Tensor clean = golden.Input("x0");
        var guidance = new Guidance(new Condition(golden.Input("context")), new Condition(golden.Input("uncond_context")),
            options.TeacherGuidance);
        var simulation = new StudentSimulation(student, draws, options);
        int simulated = options.SimulationSteps(iteration);
        LossResult result = step switch
        {
            "scm" => new ContinuousConsistencyLoss(student, teacher, draws, options).Compute(clean, guidance, iteration, draws),
            "dcm" => new DiscreteConsistencyLoss(student, teacher, options).Compute(clean, guidance, draws),
            "dmd" => new DistributionMatchingLoss(teacher, critic, simulation, draws, options)
                .Compute(clean.shape, guidance, simulated, draws),
            "critic" => new CriticLoss(critic, simulation, draws).Compute(clean.shape, guidance.Positive, simulated, draws),
            _ => throw new NotSupportedException($"{golden.Path}: no such step as {step}"),
        };
        draws.CheckAllDrawn();
        foreach (string name in golden.Tensors.Keys.Where(k => k.StartsWith("mid::", StringComparison.Ordinal)))
            golden.Check(name, result.Intermediates[Names[name["mid::".Length..]]]);
        golden.Check("output::loss", result.PerSample);

        result.PerSample.sum().backward();
        foreach ((string name, torch.Tensor weight) in (step == "critic" ? critic : student).Weights)
            golden.Check($"output::grad.{name}", weight.grad!);
        foreach (ToyNetwork other in step == "critic" ? [student, teacher] : new[] { teacher, critic })
            Assert.All(other.Weights.Values, w => Assert.True(w.grad is null));
    }

    private static RcmOptions Options(JsonElement config) => new()
    {
        TeacherGuidance = config.GetProperty("teacher_guidance").GetDouble(),
        ConsistencyScale = config.GetProperty("loss_scale").GetDouble(),
        DistributionScale = config.GetProperty("loss_scale_dmd").GetDouble(),
        TangentWarmUp = config.GetProperty("tangent_warmup").GetInt32(),
        StudentInterval = config.GetProperty("student_update_freq").GetInt32(),
        FiniteDifferenceStep = config.GetProperty("fd_size").GetDouble(),
        MaxSimulationSteps = config.GetProperty("max_simulation_steps_fake").GetInt32(),
        SimulationTimes = [.. config.GetProperty("backward_timesteps").EnumerateArray().Select(t => t.GetDouble())],
        FixedSimulationTimes = config.GetProperty("dmd_fix_timesteps").GetBoolean(),
        DiscreteSteps = config.GetProperty("dcm_total_steps").GetInt32(),
        DiscreteSkip = config.GetProperty("dcm_skipping_interval_steps").GetInt32(),
        DiscreteShift = config.GetProperty("dcm_timestep_shift").GetDouble(),
    };

    /// <summary>a·tanh(W·x over channels) + b·sin(3t)·roll(x) + c·mean(text), as the case's config says.</summary>
    private sealed class ToyNetwork(ICheckpoint weights) : IVelocityNetwork
    {
        public Dictionary<string, torch.Tensor> Weights { get; } =
            weights.Tensors.Keys.ToDictionary(k => k, k => weights.Read(k).requires_grad_());

        public torch.Tensor Predict(torch.Tensor x, torch.Tensor timestep, Condition condition)
        {
            Assert.Equal(torch.ScalarType.Float32, x.dtype);
            Assert.Equal([x.shape[0]], timestep.shape);
            torch.Tensor mixed = torch.einsum("oc,bcthw->bothw", Weights["W"], x);
            torch.Tensor wave = (3 * timestep / 1000).sin().view(-1, 1, 1, 1, 1);
            return Weights["a"] * mixed.tanh() + Weights["b"] * wave * x.roll(1, -1)
                + Weights["c"] * condition.Text.mean([1, 2]).view(-1, 1, 1, 1, 1);
        }
    }

    /// <summary>The case's draws in their order. Times have values of their own, but take up a draw each.</summary>
    private sealed class RecordedDraws(GoldenCase golden) : IRandomSource, ITimeDistribution
    {
        private int _next, _nextTime;

        public torch.Tensor Normal(params long[] shape) => golden.Input($"random.{_next++}").reshape(shape);

        public torch.Tensor Uniform(params long[] shape) => golden.Input($"random.{_next++}").reshape(shape);

        public torch.Tensor Sample(IRandomSource random, long count)
        {
            Uniform(count);
            torch.Tensor time = golden.Input($"time.{_nextTime++}").reshape(count).to(torch.ScalarType.Float64);
            return time.sin() / (time.cos() + time.sin());
        }

        public void CheckAllDrawn()
        {
            Assert.False(golden.Has($"input::random.{_next}"), $"{golden.Path}: random.{_next} was not drawn");
            Assert.False(golden.Has($"input::time.{_nextTime}"), $"{golden.Path}: time.{_nextTime} was not drawn");
        }
    }
}
