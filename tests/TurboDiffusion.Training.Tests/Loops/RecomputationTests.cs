using TorchSharp;
using TorchSharp.Modules;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using TurboDiffusion.Tests;
using TurboDiffusion.Training.Networks;
using Xunit;

namespace TurboDiffusion.Training.Tests.Loops;

public class RecomputationTests
{
    [Fact]
    public void Recomputed_activations_give_the_same_gradients_to_every_parameter_and_input()
    {
        using var scope = torch.NewDisposeScope();
        WanModel kept = SmallWorld.Transformer(SmallWorld.Sparse, trained: true), recomputed = SmallWorld.Copy(kept);
        recomputed.RecomputesActivations = true;
        (torch.Tensor Output, torch.Tensor Input) Gradients(WanModel model)
        {
            foreach (Parameter parameter in model.parameters()) parameter.requires_grad_(true);
            torch.Tensor x = new PhiloxNoise(1).Normal(2, 16, 2, 8, 8).requires_grad_(true);
            torch.Tensor output = new WanNetwork(model)
                .Predict(x, torch.tensor([300f, 900f]), new Condition(new PhiloxNoise(2).Normal(2, 3, 8)));
            output.square().sum().backward();
            return (output, x.grad!);
        }
        (torch.Tensor expected, torch.Tensor ofInput) = Gradients(kept);
        (torch.Tensor actual, torch.Tensor ofInputAgain) = Gradients(recomputed);
        // The forward pass runs without gradients, where libtorch may choose other kernels.
        Comparison.Elementwise(expected, actual, 1e-4, 1e-5, "output");
        Comparison.Elementwise(ofInput, ofInputAgain, 1e-4, 1e-5, "input");
        foreach (((string name, Parameter a), (_, Parameter b)) in kept.named_parameters().Zip(recomputed.named_parameters()))
            Comparison.RelativeL2(a.grad!, b.grad!, 1e-5, name);
    }

    [Fact]
    public void Recomputation_leaves_no_tensors_behind()
    {
        using var scope = torch.NewDisposeScope();
        WanModel model = SmallWorld.Transformer();
        model.RecomputesActivations = true;
        foreach (Parameter parameter in model.parameters()) parameter.requires_grad_(true);
        var counts = new List<long>();
        for (int i = 0; i < 4; i++)
        {
            using (torch.NewDisposeScope())
                new WanNetwork(model).Predict(new PhiloxNoise(1).Normal(1, 16, 2, 8, 8), torch.tensor([300f]),
                    new Condition(new PhiloxNoise(2).Normal(1, 3, 8))).sum().backward();
            model.zero_grad();
            counts.Add(DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        }
        Assert.True(counts[3] <= counts[1], string.Join(", ", counts));
    }

    [Fact]
    public void Parameters_alone_may_ask_for_gradients()
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor weight = torch.tensor(3f, requires_grad: true), x = torch.tensor(2f);
        ActivationCheckpoint.Backward(ActivationCheckpoint.Run(inputs => inputs[0] * weight, x));
        Assert.Equal(2, weight.grad!.item<float>());
        Assert.False(x.requires_grad);
    }

    [Fact(Timeout = 60_000)]
    public async Task What_fails_in_the_backward_pass_is_thrown_and_the_next_pass_works()
    {
        await Task.Run(() =>
        {
            using var scope = torch.NewDisposeScope();
            torch.Tensor weight = torch.tensor(3f, requires_grad: true);
            int calls = 0;
            torch.Tensor loss = ActivationCheckpoint.Run(
                inputs => ++calls == 2 ? throw new EnvironmentException("memory", "There is none.") : inputs[0] * weight, torch.tensor(2f));
            Assert.Throws<EnvironmentException>(() => ActivationCheckpoint.Backward(loss));
            ActivationCheckpoint.Backward(ActivationCheckpoint.Run(inputs => inputs[0] * weight, torch.tensor(2f)));
            Assert.Equal(2, weight.grad!.item<float>());
        }, TestContext.Current.CancellationToken);
    }
}
