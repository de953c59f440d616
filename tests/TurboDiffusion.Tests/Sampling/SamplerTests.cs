using TorchSharp;
using TurboDiffusion.Sampling;
using Xunit;

namespace TurboDiffusion.Tests.Sampling;

public class SamplerTests
{
    public static TheoryData<SamplerOptions> All =>
    [
        new SamplerOptions { Kind = SamplerKind.Rcm, Steps = 1, SigmaMax = 80 },
        new SamplerOptions { Kind = SamplerKind.Rcm, Steps = 4, SigmaMax = 80 },
        new SamplerOptions { Kind = SamplerKind.Rcm, Steps = 3, SigmaMax = 200, Ode = true },
        new SamplerOptions { Kind = SamplerKind.UniPc, Steps = 1, Shift = 5 },
        new SamplerOptions { Kind = SamplerKind.UniPc, Steps = 2, Shift = 3 },
        new SamplerOptions { Kind = SamplerKind.UniPc, Steps = 9, Shift = 1 },
        new SamplerOptions { Kind = SamplerKind.Euler, Steps = 1, Shift = 5 },
        new SamplerOptions { Kind = SamplerKind.Euler, Steps = 7, Shift = 8 },
    ];

    [Theory]
    [MemberData(nameof(All))]
    public void Noise_levels_fall_from_at_most_one_to_zero(SamplerOptions options)
    {
        ISampler sampler = options.Create();
        Assert.Equal(options.Steps, sampler.Timesteps.Count);
        Assert.Equal(sampler.Timesteps.Count + 1, sampler.NoiseLevels.Count);
        Assert.InRange(sampler.NoiseLevels[0], 0.9, 1);
        Assert.Equal(0, sampler.NoiseLevels[^1]);
        for (int i = 0; i < sampler.Timesteps.Count; i++)
        {
            Assert.True(sampler.NoiseLevels[i] > sampler.NoiseLevels[i + 1]);
            Assert.Equal(1000 * sampler.NoiseLevels[i], sampler.Timesteps[i], 1e-9);
        }
    }

    /// <summary>The velocity of a one-point data set always points at that point: every sampler must land on it.</summary>
    [Theory]
    [MemberData(nameof(All))]
    public void A_data_set_of_one_point_is_sampled_exactly(SamplerOptions options)
    {
        using var scope = torch.NewDisposeScope();
        ISampler sampler = options.Create();
        var source = new PhiloxNoise(1);
        torch.Tensor point = new PhiloxNoise(2).Normal(1, 2, 3, 4, 5).to(torch.ScalarType.Float64), noise = source.Normal(point.shape);
        torch.Tensor result = DenoisingLoop.Run(sampler, noise, (x, t, _, _) => (x - point) / (t / 1000), source,
            cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(torch.ScalarType.Float64, result.dtype);
        Comparison.Elementwise(point, result, 1e-9, 1e-9, options.ToString());
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Each_step_tells_the_clean_sample_that_it_predicts_and_telling_changes_nothing(SamplerOptions options)
    {
        using var scope = torch.NewDisposeScope();
        ISampler sampler = options.Create();
        torch.Tensor point = new PhiloxNoise(2).Normal(1, 2, 3, 4, 5).to(torch.ScalarType.Float64);
        var estimates = new List<(int Step, torch.Tensor Clean)>();
        torch.Tensor Run(EstimateObserver? watch)
        {
            var source = new PhiloxNoise(1);
            // What is predicted drifts with the step, so that every step's is another.
            return DenoisingLoop.Run(sampler, source.Normal(point.shape), (x, t, step, _) => (x - (step + 1) * point) / (t / 1000), source,
                cancellationToken: TestContext.Current.CancellationToken, watch: watch);
        }
        torch.Tensor watched = Run((step, clean) => estimates.Add((step, clean.clone().MoveToOuterDisposeScope()))), alone = Run(null);
        Comparison.Exact(alone, watched, "watched");
        Assert.Equal(Enumerable.Range(1, options.Steps), estimates.Select(e => e.Step));
        foreach ((int step, torch.Tensor clean) in estimates)
            Comparison.Elementwise(step * point, clean, 1e-9, 1e-9, $"step {step}");
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Noise_drawn_ahead_is_the_noise_that_the_steps_would_draw(SamplerOptions options)
    {
        using var scope = torch.NewDisposeScope();
        ISampler sampler = options.Create();
        long[] shape = [1, 2, 3, 4, 5];
        torch.Tensor Run(Func<PhiloxNoise, INoiseSource> of)
        {
            var source = new PhiloxNoise(3);
            torch.Tensor start = source.Normal(shape);
            INoiseSource steps = of(source);
            using var end = steps as IDisposable;
            return DenoisingLoop.Run(sampler, start, (x, t, _, _) => x * (t / 2000), steps,
                cancellationToken: TestContext.Current.CancellationToken);
        }
        torch.Tensor plain = Run(source => source), counted = Run(source => new Counted(source, sampler.FreshNoises));
        Comparison.Exact(plain, counted, "as many draws as it says");
        foreach (int draws in new[] { 0, sampler.FreshNoises, sampler.FreshNoises + 2 })
            Comparison.Exact(plain, Run(source => new NoiseAhead(source, draws, shape, torch.CPU)), $"{draws} ahead");
    }

    [Fact]
    public void What_was_drawn_ahead_and_not_used_is_freed_and_another_shape_is_refused()
    {
        using var scope = torch.NewDisposeScope();
        var source = new Remembering(new PhiloxNoise(3));
        using (var ahead = new NoiseAhead(source, 3, [2, 3], torch.CPU))
        {
            Assert.Throws<ArgumentException>(() => ahead.Normal(3, 2));
            Comparison.Exact(new PhiloxNoise(3).Normal(2, 3), ahead.Normal(2, 3), "first");
        }
        Assert.All(source.Drawn, tensor => Assert.True(tensor.IsInvalid));
        var failing = new Remembering(new PhiloxNoise(3)) { Failure = new IOException("no entropy") };
        using var failed = new NoiseAhead(failing, 2, [2, 3], torch.CPU);
        Assert.Throws<IOException>(() => failed.Normal(2, 3));
    }

    private sealed class Counted(INoiseSource source, int draws) : INoiseSource, IDisposable
    {
        private int _left = draws;

        public torch.Tensor Normal(params long[] shape)
        {
            _left--;
            return source.Normal(shape);
        }

        public void Dispose() => Assert.Equal(0, _left);
    }

    private sealed class Remembering(INoiseSource source) : INoiseSource
    {
        public System.Collections.Concurrent.ConcurrentBag<torch.Tensor> Drawn { get; } = [];

        public Exception? Failure { get; init; }

        public torch.Tensor Normal(params long[] shape)
        {
            if (Failure is { } failure) throw failure;
            torch.Tensor noise = source.Normal(shape);
            Drawn.Add(noise);
            return noise;
        }
    }

    [Fact]
    public void UniPc_converges_with_second_order_and_beats_Euler()
    {
        // Data N(0, s²): velocity (t − (1−t)·s²)/(t² + (1−t)²s²)·x, and the flow scales noise by s.
        using var scope = torch.NewDisposeScope();
        const double S = 0.5;
        torch.Tensor noise = new PhiloxNoise(1).Normal(100).to(torch.ScalarType.Float64);
        double Error(ISampler sampler)
        {
            torch.Tensor x = DenoisingLoop.Run(sampler, noise, (x, timestep, _, _) =>
            {
                double t = timestep / 1000;
                return x * ((t - (1 - t) * S * S) / (t * t + (1 - t) * (1 - t) * S * S));
            }, new PhiloxNoise(0), null, TestContext.Current.CancellationToken);
            return (x - S * noise).norm().item<double>() / noise.norm().item<double>();
        }
        double coarse = Error(new UniPcSampler(20, 3)), fine = Error(new UniPcSampler(40, 3));
        Assert.True(coarse / fine > 3.5, $"halving the step must divide the error by about 4: {coarse:G3} → {fine:G3}");
        Assert.True(fine < Error(new EulerSampler(40, 3)) / 4);
    }

    [Fact]
    public void Impossible_requests_are_refused_with_the_value_and_the_range()
    {
        InvalidRequestException steps =
            Assert.Throws<InvalidRequestException>(() => new SamplerOptions { Kind = SamplerKind.Rcm, Steps = 7, SigmaMax = 80 }.Create());
        Assert.Equal("steps", steps.Parameter);
        Assert.Contains("1 to 4", steps.Message);
        Assert.Contains("7", steps.Message);
        Assert.Throws<InvalidRequestException>(() => new RcmSampler(0, 80));
        Assert.Throws<InvalidRequestException>(() => new RcmSampler(4, 14));
        Assert.Throws<InvalidRequestException>(() => new RcmSampler(4, double.NaN));
        Assert.Throws<InvalidRequestException>(() => new UniPcSampler(0, 5));
        Assert.Throws<InvalidRequestException>(() => new UniPcSampler(1001, 5));
        Assert.Throws<InvalidRequestException>(() => new EulerSampler(10, -1));
        Assert.Throws<InvalidRequestException>(() => new EulerSampler(10, 5, 1.5));
        Assert.Throws<InvalidRequestException>(() =>
            new SamplerOptions { Kind = SamplerKind.Euler, Steps = 5, Shift = 5, Ode = true }.Create());
        Assert.Throws<InvalidRequestException>(() => SamplerOptions.ParseKind("heun"));
        Assert.Throws<InvalidRequestException>(() => SamplerOptions.ParseKind("1"));
        Assert.Equal(SamplerKind.UniPc, SamplerOptions.ParseKind("unipc"));
    }

    [Fact]
    public void The_loop_stops_between_steps_when_cancelled()
    {
        using var scope = torch.NewDisposeScope();
        using var cancel = new CancellationTokenSource();
        int calls = 0;
        Assert.Throws<OperationCanceledException>(() =>
            DenoisingLoop.Run(new RcmSampler(4, 80), torch.zeros([1, 1, 1, 1, 1]), (x, _, step, token) =>
        {
            Assert.Equal(cancel.Token, token);
            calls++;
            if (step == 1) cancel.Cancel();
            return x.clone();
        }, new PhiloxNoise(0), null, cancel.Token));
        Assert.Equal(2, calls);
    }

    [Fact]
    public void The_loop_reports_every_step_and_leaves_only_its_result()
    {
        using var scope = torch.NewDisposeScope();
        var reports = new List<DenoisingProgress>();
        torch.Tensor noise = torch.ones([1, 1, 2, 2, 2]);
        int before = scope.DisposablesCount;
        torch.Tensor result = DenoisingLoop.Run(new UniPcSampler(6, 5), noise, (x, _, _, _) => x * 0.5, new PhiloxNoise(0),
            new Collect(reports),
            TestContext.Current.CancellationToken);
        Assert.Equal(before + 1, scope.DisposablesCount);
        Assert.Equal(Enumerable.Range(0, 7), reports.Select(r => r.Step));
        Assert.Null(reports[0].Remaining);
        Assert.Equal(TimeSpan.Zero, reports[^1].Remaining);
        Comparison.Exact(torch.ones([1, 1, 2, 2, 2]), noise, "the caller's noise");
        Assert.False(result.requires_grad);
    }

    private sealed class Collect(List<DenoisingProgress> reports) : IProgress<DenoisingProgress>
    {
        public void Report(DenoisingProgress value) => reports.Add(value);
    }
}
