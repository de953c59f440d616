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

    [Theory]
    [InlineData(16, 48)]
    [InlineData(48, 16)]
    [InlineData(32, 32)]
    public void Orthogonalised_matrices_keep_their_singular_vectors_and_have_singular_values_of_about_1(long rows, long columns)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor matrices = new PhiloxNoise(3).Normal(2, rows, columns) * 100;
        (torch.Tensor u, _, torch.Tensor v) = torch.linalg.svd(matrices, fullMatrices: false);
        torch.Tensor values = torch.bmm(torch.bmm(u.transpose(1, 2), Muon.Orthogonalize(matrices)), v.transpose(1, 2));
        torch.Tensor diagonal = values.diagonal(0, 1, 2);
        Assert.InRange(diagonal.min().item<float>(), 0.3f, 1.3f);
        Assert.InRange(diagonal.max().item<float>(), 0.3f, 1.3f);
        Assert.True((values - torch.diag_embed(diagonal)).abs().max().item<float>() < 1e-3f);
    }

    [Fact]
    public void Muon_moves_the_matrices_of_blocks_along_and_leaves_everything_else_to_AdamW()
    {
        using var scope = torch.NewDisposeScope();
        var names = new[] { "blocks.0.ffn.weight", "blocks.1.ffn.weight", "blocks.0.bias", "head.weight", "blocks.0.pos_embedding.weight" };
        Dictionary<string, Parameter> Parameters() => names.Select((n, i) => KeyValuePair.Create(n,
            new Parameter(n.EndsWith("bias") ? new PhiloxNoise((ulong)i).Normal(6) : new PhiloxNoise((ulong)i).Normal(4, 6))))
                .ToDictionary();
        Dictionary<string, Parameter> ours = Parameters(), theirs = Parameters();
        AdamWOptions options = Options with { Momentum = 0.9, WeightDecay = 0 };
        using var muon = new Muon(ours, options);
        using var adamW = new AdamW(theirs, options);
        torch.Tensor[] before = [.. names.Select(n => ours[n].detach().clone())];
        // One matrix has no gradient.
        foreach (Dictionary<string, Parameter> parameters in new[] { ours, theirs })
            for (int i = 0; i < names.Length; i++)
                if (i != 1) parameters[names[i]].grad = new PhiloxNoise((ulong)(10 + i)).Normal(parameters[names[i]].shape);
        muon.Step(1);
        adamW.Step(1);
        Assert.Equal(1, muon.Updates);
        for (int i = 1; i < names.Length; i++) Comparison.Exact(i == 1 ? before[i] : theirs[names[i]], ours[names[i]], names[i]);
        torch.Tensor gradient = new PhiloxNoise(10).Normal(4, 6) * 1.9f;
        torch.Tensor expected = before[0] - 0.03f * 0.2f * MathF.Sqrt(6) * Muon.Orthogonalize(gradient.unsqueeze(0))[0];
        Comparison.Elementwise(expected, ours[names[0]], 1e-5, 1e-6, "the matrix with a gradient");
    }

    [Fact]
    public void Muon_takes_the_convolutions_of_residual_branches_as_matrices()
    {
        using var scope = torch.NewDisposeScope();
        const string Name = "decoder.middle.0.residual.2.weight";
        var convolution = new Parameter(new PhiloxNoise(1).Normal(4, 3, 3, 1, 1));
        using var muon = new Muon(new Dictionary<string, Parameter> { [Name] = convolution, ["bias"] = new(torch.zeros(2)) },
            Options with { Momentum = 0.9, WeightDecay = 0 });
        torch.Tensor before = convolution.detach().clone(), gradient = new PhiloxNoise(2).Normal(4, 3, 3, 1, 1);
        convolution.grad = gradient;
        muon.Step(1);
        torch.Tensor expected = before - 0.03f * 0.2f * 3 * Muon.Orthogonalize(gradient.view(1, 4, 9) * 1.9f).view(4, 3, 3, 1, 1);
        Comparison.Elementwise(expected, convolution, 1e-5, 1e-6, "the convolution");
    }

    [Fact]
    public void The_state_of_Muon_continues_a_training()
    {
        using var scope = torch.NewDisposeScope();
        AdamWOptions options = Options with { Momentum = 0.9 };
        (Dictionary<string, Parameter> Parameters, Muon Optimizer) Make() =>
            new Dictionary<string, Parameter>
            {
                ["blocks.0.weight"] = new(new PhiloxNoise(1).Normal(4, 6)), ["bias"] = new(new PhiloxNoise(2).Normal(6)),
            } is var p ? (p, new Muon(p, options)) : default;
        void Step((Dictionary<string, Parameter> Parameters, Muon Optimizer) run, int i)
        {
            foreach ((string name, Parameter parameter) in run.Parameters)
                parameter.grad = new PhiloxNoise((ulong)(i + name.Length)).Normal(parameter.shape);
            run.Optimizer.Step(1);
        }
        var (whole, resumed) = (Make(), Make());
        for (int i = 0; i < 3; i++) Step(whole, i);
        foreach ((KeyValuePair<string, torch.Tensor> from, KeyValuePair<string, torch.Tensor> to) in whole.Optimizer.State.Zip(
            resumed.Optimizer.State))
        {
            Assert.Equal(from.Key, to.Key);
            to.Value.copy_(from.Value);
        }
        resumed.Optimizer.Updates = whole.Optimizer.Updates;
        foreach ((string name, Parameter parameter) in whole.Parameters) resumed.Parameters[name].detach().copy_(parameter);
        Step(whole, 3);
        Step(resumed, 3);
        foreach ((string name, Parameter parameter) in whole.Parameters) Comparison.Exact(parameter, resumed.Parameters[name], name);
        whole.Optimizer.Dispose();
        resumed.Optimizer.Dispose();
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
