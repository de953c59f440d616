using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using TorchSharp;
using TurboDiffusion.Generation;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using static TorchSharp.torch;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>Measures a plan.</summary>
internal static class BenchmarkRunner
{
    // A noise level of the high-noise expert and one of the low-noise expert, as timesteps.
    private const double HighNoise = 950, LowNoise = 500;
    private const int Switches = 5;

    // Blocks that run before a step is timed: every kernel is compiled then, and the allocator's pool has its size.
    private const string LastWarmUpBlock = "blocks.1";

    /// <summary>Measures.</summary>
    /// <param name="plan">What.</param>
    /// <param name="progress">Told what is being measured.</param>
    /// <param name="write">Gets the results so far after every row.</param>
    /// <param name="cancellationToken">Checked at every transformer block.</param>
    /// <exception cref="TurboDiffusionException">The plan cannot be measured here.</exception>
    public static BenchmarkResult Run(BenchmarkPlan plan, IProgress<string> progress, Action<BenchmarkResult> write,
        CancellationToken cancellationToken)
    {
        BenchmarkTarget target = plan.Resolve();
        long begin = Stopwatch.GetTimestamp();
        double Left() => plan.Seconds - Stopwatch.GetElapsedTime(begin).TotalSeconds;
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        using GpuMemoryCap? cap = plan.Card is { } card ? GpuMemoryCap.Leave(target.Device, card.Bytes) : null;
        var result = new BenchmarkResult
        {
            Preset = target.Model,
            OwnWeights = target.Files is not null,
            Sampling = target.Spec.Sampling,
            Size = target.Size.ToString(),
            Frames = target.Frames,
            Tokens = target.Tokens,
            Device = GpuDevices.NameOf(target.Device),
            Card = plan.Card?.Name,
            TopK = target.TopK,
            Version = VideoModel.Version,
        };
        foreach (BenchmarkVariant[] group in Groups(target.Variants))
            foreach (BenchmarkRow row in Measure(plan, target, group, cap?.Bytes ?? 0, Left, progress, cancellationToken))
            {
                progress.Report($"  {Outcome(row)}");
                write(result = result with { Rows = [.. result.Rows, row] });
            }
        // Groups load a model once; the table keeps the plan's order.
        write(result = result with { Rows = [.. target.Variants.Select(v => result.Rows.First(r => r.Variant == v))] });
        if (plan.BaselineScript is not null)
        {
            progress.Report("the PyTorch baseline");
            try
            {
                (string torch, IReadOnlyList<BenchmarkRow> rows) = PyTorchBaseline.Run(plan, target, Left(), cancellationToken);
                write(result = result with { Baseline = rows, BaselineTorch = torch });
            }
            catch (EnvironmentException e)
            {
                progress.Report($"  {e.Message}");
                write(result = result with { Baseline = [new BenchmarkRow { Label = "PyTorch", Failure = Reason(e) }] });
            }
        }
        if (!plan.Compare) return result;
        foreach (AttentionKind kind in target.Variants.Select(v => v.Attention).Distinct())
        {
            if (Left() <= 0) break;
            WeightFormat[] weights = [.. target.Variants.Where(v => v.Attention == kind).Select(v => v.Weights).Distinct()];
            try
            {
                IReadOnlyList<PathDifference> differences = PathComparison.Run(
                    target, target.Attention(kind), weights, plan.Seed, progress, cancellationToken);
                write(result = result with { Differences = [.. result.Differences, .. differences] });
            }
            catch (Exception e) when (e is TurboDiffusionException or ExternalException)
            {
                progress.Report($"  {kind} could not be compared: {Reason(e)}");
            }
        }
        return result;
    }

    private static string Outcome(BenchmarkRow row) => row.Failure ?? string.Create(CultureInfo.InvariantCulture,
        $"{row.StepMilliseconds:0.0} ms, median of {row.Repeats}{(row.PeakBytes is { } bytes ? $", {bytes / 1e9:0.0} GB" : "")}; the "
            + $"weights took {row.LoadSeconds:0.0} s");

    // libtorch appends its call stack.
    private static string Reason(Exception error) => DeviceMemory.IsExhausted(error)
        ? "out of GPU memory"
        : error.Message.Split('\n')[0].Trim();

    private static IEnumerable<BenchmarkVariant[]> Groups(IReadOnlyList<BenchmarkVariant> variants) =>
        variants.GroupBy(v => (v.Attention, v.Weights, v.Swapped)).Select(g => g.ToArray());

    // The variants of one model. With two experts both are kept in memory, or one where both do not fit.
    private static IEnumerable<BenchmarkRow> Measure(
        BenchmarkPlan plan, BenchmarkTarget target, BenchmarkVariant[] variants, long cappedBytes, Func<double> left,
        IProgress<string> progress, CancellationToken cancellationToken)
    {
        int experts = target.Spec.Experts;
        BenchmarkModel? model = null;
        double seconds = 0;
        try
        {
            foreach (BenchmarkVariant variant in variants)
            {
                BenchmarkRow? row = left() > 0 ? null
                    : new BenchmarkRow
                    {
                        Label = variant.Label, Variant = variant, Failure = $"not measured, the {plan.Seconds:0} seconds were over",
                    };
                while (row is null)
                {
                    progress.Report($"{variant.Label}{(experts > 1 ? $", {experts} experts" : "")}");
                    try
                    {
                        if (model is null)
                        {
                            DeviceMemory.Release(target.Device);
                            long start = Stopwatch.GetTimestamp();
                            model = new BenchmarkModel(target, target.Attention(variant.Attention), variant.Weights, experts,
                                plan.Seed, cancellationToken, variant.Swapped);
                            seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                        }
                        row = Step(plan, target, model, variant, cappedBytes, cancellationToken) with { LoadSeconds = seconds };
                    }
                    // The other variants are still worth having.
                    catch (Exception e) when (e is TurboDiffusionException or ExternalException)
                    {
                        bool again = DeviceMemory.IsExhausted(e) && experts > 1;
                        if (DeviceMemory.IsExhausted(e))
                        {
                            model?.Dispose();
                            model = null;
                            experts = 1;
                        }
                        if (!again) row = new BenchmarkRow { Label = variant.Label, Variant = variant, Failure = Reason(e) };
                    }
                }
                yield return row;
            }
        }
        finally
        {
            model?.Dispose();
        }
    }

    private static BenchmarkRow Step(
        BenchmarkPlan plan, BenchmarkTarget target, BenchmarkModel model, BenchmarkVariant variant, long cappedBytes,
        CancellationToken cancellationToken)
    {
        using var kernels = KernelSwitch.Use(variant.Kernels.Operators());
        using var scope = NewDisposeScope();
        DeviceMemory.Release(target.Device);
        WanModel transformer = model.First;
        CrossContext context = model.PrepareContext(cancellationToken);
        Tensor time = full([1], HighNoise, ScalarType.Float32, target.Device);
        WarmUp();
        (double ms, int repeats) = DeviceClock.Median(target.Device,
            () => transformer.Forward(model.Latents, time, context, model.Images.Condition, cancellationToken).Dispose(), plan.Patience);
        var row = new BenchmarkRow
        {
            Label = variant.Label,
            Variant = variant,
            StepMilliseconds = ms,
            Forms = Forms(target, model),
            Repeats = repeats,
            PeakBytes = GpuMemory.Used(target.Device) - cappedBytes,
            Experts = model.Experts,
            SwitchMilliseconds = model.Experts > 1 ? Switch(target, model, cancellationToken) : null,
        };
        if (!plan.Profile) return row;
        using var profiler = new StepProfiler(target.Device);
        return row with
        {
            Profile = profiler.Run(observe => transformer.Forward(
                model.Latents, time, context, model.Images.Condition, cancellationToken, observe).Dispose()),
        };

        void WarmUp()
        {
            using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            try
            {
                transformer.Forward(model.Latents, time, context, model.Images.Condition, enough.Token, (name, _) =>
                {
                    if (name == LastWarmUpBlock) enough.Cancel();
                }).Dispose();
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
            }
        }
    }

    // Which form each operator takes in this row: what the operators choose themselves.
    private static IReadOnlyList<string> Forms(BenchmarkTarget target, BenchmarkModel model) => target.Device.type != DeviceType.CUDA ? [] :
        [.. OperatorReport.Of(model.First.Config.Block(target.Tokens, Devices.DefaultDtype(target.Device)), model.First.Attention,
                model.First.Weights, Math.Max(target.Device.index, 0))
            .GroupBy(e => (e.Operator, e.Choice)).Select(g => $"{g.Key.Operator}: {g.Key.Choice}")];

    // Both experts are in memory: what is left of the switch is the text's keys and values for the other one.
    private static double Switch(BenchmarkTarget target, BenchmarkModel model, CancellationToken cancellationToken)
    {
        using Denoiser denoiser = model.Denoiser();
        denoiser.Select(LowNoise, cancellationToken);
        var times = new double[Switches];
        for (int i = 0; i < Switches; i++)
        {
            denoiser.Select(HighNoise, cancellationToken);
            times[i] = DeviceClock.Wall(target.Device, () => denoiser.Select(LowNoise, cancellationToken));
        }
        Array.Sort(times);
        return times[Switches / 2];
    }
}
