using TorchSharp;
using TorchSharp.Modules;
using TurboDiffusion.Sampling;
using TurboDiffusion.Tests;
using TurboDiffusion.Training.Optimization;
using Xunit;
using AdamW = TurboDiffusion.Training.Optimization.AdamW;

namespace TurboDiffusion.Training.Tests.Optimization;

public class OptimizationTests
{
    private static readonly AdamWOptions Options = new() { LearningRate = 0.03, Beta1 = 0.8, Beta2 = 0.95, WeightDecay = 0.1 };

    [Fact]
    public void AdamW_is_torchs()
    {
        using var scope = torch.NewDisposeScope();
        Parameter ours = Make(torch.ScalarType.Float32), theirs = Make(torch.ScalarType.Float32);
        using var optimizer = new AdamW(new Dictionary<string, Parameter> { ["w"] = ours }, Options);
        var reference = torch.optim.AdamW([theirs], 0.03, 0.8, 0.95, 1e-8, 0.1);
        for (int i = 0; i < 20; i++)
        {
            Descend(ours, i, () => optimizer.Step(1));
            Descend(theirs, i, () => reference.step());
        }
        Comparison.Elementwise(theirs, ours, 1e-6, 1e-7, "weights after 20 updates");
        Assert.Equal(20, optimizer.Updates);
    }

    [Fact]
    public void Weights_of_a_narrow_type_are_updated_in_float32()
    {
        using var scope = torch.NewDisposeScope();
        Parameter narrow = Make(torch.ScalarType.BFloat16);
        AdamWOptions small = Options with { LearningRate = 1e-5, WeightDecay = 0 };
        using var optimizer = new AdamW(new Dictionary<string, Parameter> { ["w"] = narrow }, small);
        torch.Tensor before = narrow.detach().clone();
        // Each update is far below the spacing of bfloat16, their sum is not.
        for (int i = 0; i < 3000; i++)
        {
            narrow.grad = torch.ones_like(narrow);
            optimizer.Step(1);
        }
        torch.Tensor master = optimizer.State.Single(s => s.Key == "master.w").Value;
        Comparison.Elementwise(before.to(torch.ScalarType.Float32) - 0.03, master, 0, 1e-4, "the master");
        Comparison.Exact(master.to(torch.ScalarType.BFloat16), narrow, "the weights");
    }

    [Fact]
    public void Gradients_are_clipped_to_their_common_norm()
    {
        using var scope = torch.NewDisposeScope();
        Parameter a = new(torch.zeros(2)), b = new(torch.zeros(1)), without = new(torch.zeros(5));
        a.grad = torch.tensor([3f, 0f]);
        b.grad = torch.tensor([4f]);
        Parameter[] all = [a, b, without];
        double norm = GradientNorm.Of(all);
        Assert.Equal(5, norm, 1e-6);
        GradientNorm.Clip(all, norm, 10);
        Assert.Equal(5, GradientNorm.Of(all), 1e-6);
        GradientNorm.Clip(all, norm, 1);
        Assert.Equal(1, GradientNorm.Of(all), 1e-6);
        Comparison.Elementwise(torch.tensor([0.6f, 0f]), a.grad, 1e-6, 0, "direction");
        b.grad = torch.tensor([float.NaN]);
        Assert.False(double.IsFinite(GradientNorm.Of(all)));
    }

    [Fact]
    public void The_schedule_warms_up_and_decays_to_its_floor()
    {
        var schedule = new LearningRateSchedule { WarmUp = 4, DecayUpdates = 104, Floor = 0.1 };
        Assert.Equal([0.25, 0.5, 0.75, 1, 1], Enumerable.Range(0, 5).Select(schedule.Factor));
        Assert.Equal(0.55, schedule.Factor(54), 1e-12);
        Assert.Equal(0.1, schedule.Factor(104), 1e-12);
        Assert.Equal(0.1, schedule.Factor(1000), 1e-12);
        Assert.Equal(1, new LearningRateSchedule().Factor(123456));
    }

    [Fact]
    public void The_weight_average_has_the_published_exponent_and_follows_the_weights()
    {
        // Karras et al. give γ = 6.94 for a relative width of 0.1 and 16.97 for 0.05.
        Assert.Equal(6.94, Ema.Exponent(0.1), 0.005);
        Assert.Equal(16.97, Ema.Exponent(0.05), 0.005);
        Assert.Throws<InvalidRequestException>(() => Ema.Exponent(0.3));
        Assert.Throws<InvalidRequestException>(() => Ema.Exponent(0));

        using var scope = torch.NewDisposeScope();
        var weight = new Parameter(torch.zeros(1), requires_grad: false);
        using var ema = new Ema(new Dictionary<string, Parameter> { ["w"] = weight }, 0.1);
        double total = 0, expected = 0;
        for (int i = 1; i <= 2000; i++)
        {
            weight.fill_(i);
            ema.Update(i);
            double share = Math.Pow(i, Ema.Exponent(0.1));
            total += share;
            expected += share * i;
        }
        // The memory's weight is proportional to i^γ.
        Assert.Equal(expected / total, ema.Averages["w"].item<float>(), 1.0);
    }

    private static Parameter Make(torch.ScalarType dtype) =>
        new(new PhiloxNoise(1).Normal(7, 5).to(dtype));

    private static void Descend(Parameter weights, int step, Action update)
    {
        weights.grad = null;
        torch.Tensor target = new PhiloxNoise((ulong)step).Normal(7, 5);
        (weights - target).pow(4).sum().backward();
        update();
    }
}
