using System.Text.Json;
using TorchSharp;
using TurboDiffusion.Sampling;
using TurboDiffusion.Tests.Sampling;
using Xunit;

namespace TurboDiffusion.Tests.Golden;

/// <summary>Times and whole trajectories, through the product's one denoising loop, with the case's closed-form velocity.</summary>
public abstract class SamplerRunner : IGoldenRunner
{
    public abstract string Kind { get; }


    protected abstract ISampler Create(JsonElement config);

    protected abstract void CheckSchedule(GoldenCase golden, ISampler sampler);

    public void Run(GoldenCase golden)
    {
        ISampler sampler = Create(golden.Config);
        CheckSchedule(golden, sampler);
        torch.Tensor noise = golden.Input("noise");
        var fresh = new RecordedNoise(golden.Has("input::step_noise") ? golden.Input("step_noise").unbind() : []);
        var states = new List<torch.Tensor>();
        torch.Tensor last = DenoisingLoop.Run(sampler, noise, (x, timestep, _, _) =>
        {
            if (timestep != sampler.Timesteps[0]) states.Add(x.clone().DetachFromDisposeScope());
            return Velocity(x, timestep / 1000);
        }, fresh);
        golden.Check("output::trajectory", torch.stack([.. states, last]));
        states.ForEach(s => s.Dispose());
    }

    protected static torch.Tensor Vector(IEnumerable<double> values) => torch.tensor(values.ToArray());

    private static torch.Tensor Velocity(torch.Tensor x, double t)
    {
        torch.Tensor x32 = x.to(torch.ScalarType.Float32);
        return (x32 * 0.7).tanh() + 0.3 * Math.Sin(3 * t) * x32.roll(1, -1);
    }
}

public sealed class RcmRunner : SamplerRunner
{
    public override string Kind => "sampler_rcm";

    protected override ISampler Create(JsonElement config) => new SamplerOptions
    {
        Kind = SamplerKind.Rcm,
        Steps = config.GetProperty("steps").GetInt32(),
        SigmaMax = config.GetProperty("sigma_max").GetDouble(),
        Ode = config.GetProperty("ode").GetBoolean(),
    }.Create();

    protected override void CheckSchedule(GoldenCase golden, ISampler sampler) =>
        golden.Check("output::timesteps", Vector(sampler.NoiseLevels));
}

public sealed class UniPcRunner : SamplerRunner
{
    public override string Kind => "sampler_unipc";

    protected override ISampler Create(JsonElement config) => new UniPcSampler(
        config.GetProperty("steps").GetInt32(), config.GetProperty("shift").GetDouble(), config.GetProperty("sigma_max").GetDouble());

    protected override void CheckSchedule(GoldenCase golden, ISampler sampler)
    {
        Assert.Equal(1000, golden.Config.GetProperty("num_train_timesteps").GetInt32());
        golden.Check("output::timesteps", Vector(sampler.Timesteps));
        golden.Check("output::sigmas", Vector(sampler.NoiseLevels));
    }
}

public sealed class EulerRunner : SamplerRunner
{
    public override string Kind => "sampler_euler";

    protected override ISampler Create(JsonElement config) => new EulerSampler(
        config.GetProperty("steps").GetInt32(), config.GetProperty("shift").GetDouble(), config.GetProperty("sigma_max").GetDouble());

    protected override void CheckSchedule(GoldenCase golden, ISampler sampler)
    {
        Assert.Equal(1000, golden.Config.GetProperty("num_train_timesteps").GetInt32());
        golden.Check("output::timesteps", Vector(sampler.Timesteps));
        // The peer lists the levels of the calls only.
        golden.Check("output::sigmas", Vector(sampler.NoiseLevels.SkipLast(1)));
    }
}
