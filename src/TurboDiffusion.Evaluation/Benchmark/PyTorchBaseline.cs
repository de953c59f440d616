using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using TorchSharp;
using TurboDiffusion.Models.Wan;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>
/// The same step in plain PyTorch, by our script <c>tests/TurboDiffusion.Benchmarks/baseline.py</c> in a process of its own.
/// </summary>
internal static class PyTorchBaseline
{
    // Seconds that a row may take once it has begun; compiling takes long.
    private const double Grace = 60;

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Runs the script.</summary>
    /// <param name="plan">Names the script and the Python.</param>
    /// <param name="target">The model and the video.</param>
    /// <param name="seconds">After which it begins no further row, and soon is ended.</param>
    /// <param name="cancellationToken">Ends the process.</param>
    /// <returns>PyTorch's version and the rows.</returns>
    /// <exception cref="EnvironmentException">The script does not run, or gives something else.</exception>
    public static (string Torch, IReadOnlyList<BenchmarkRow> Rows) Run(
        BenchmarkPlan plan, BenchmarkTarget target, double seconds, CancellationToken cancellationToken)
    {
        if (!(seconds > 0)) throw new EnvironmentException("baseline", "The benchmark's time was over before the PyTorch baseline.");
        var start = new ProcessStartInfo(plan.Python, Arguments(plan, target, seconds)) { RedirectStandardOutput = true };
        string output;
        try
        {
            // What the script says beside its result goes to this program's standard error.
            using Process process = Process.Start(start)!;
            using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            if (seconds + Grace < int.MaxValue / 1000) ended.CancelAfter(TimeSpan.FromSeconds(seconds + Grace));
            using CancellationTokenRegistration ending = ended.Token.Register(() => process.Kill(entireProcessTree: true));
            output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            cancellationToken.ThrowIfCancellationRequested();
            // It writes its result after every row, so that the first ones are there even if a later one ends it.
            if (process.ExitCode != 0 && output.Length == 0) throw Failed($"it ended with {process.ExitCode}");
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw Failed(e.Message, e);
        }
        return Read(output, target.Tokens, target.Spec.Transformer);

        EnvironmentException Failed(string found, Exception? inner = null) => new("baseline",
            $"{plan.Python} {plan.BaselineScript} failed: {found}. It needs a Python with PyTorch for this GPU; name it with --python, or "
                + "leave --baseline out.", inner);
    }

    /// <summary>What the script is called with: sizes come from here.</summary>
    internal static IReadOnlyList<string> Arguments(BenchmarkPlan plan, BenchmarkTarget target, double seconds = double.PositiveInfinity)
    {
        WanConfig config = target.Spec.Transformer;
        (string, object)[] options =
        [
            ("dim", config.Dim), ("ffn-dim", config.FfnDim), ("heads", config.NumHeads), ("layers", config.NumLayers),
            ("in-dim", config.InDim),
            ("size", target.Size), ("frames", target.Frames), ("device", $"cuda:{Math.Max(target.Device.index, 0)}"),
            ("patience", plan.Patience),
        ];
        if (double.IsFinite(seconds)) options = [.. options, ("seconds", Math.Round(seconds))];
        return [plan.BaselineScript!,
            .. options.SelectMany(o => new[] { $"--{o.Item1}", Convert.ToString(o.Item2, CultureInfo.InvariantCulture)! })];
    }

    /// <summary>Reads the script's result.</summary>
    /// <param name="output">The last line of its standard output is JSON.</param>
    /// <param name="tokens">What it should have measured.</param>
    /// <param name="config">What it should have measured.</param>
    /// <exception cref="EnvironmentException">It is no such result, or one of another model.</exception>
    internal static (string Torch, IReadOnlyList<BenchmarkRow> Rows) Read(string output, long tokens, WanConfig config)
    {
        string last = output.TrimEnd().Split('\n')[^1];
        Result result;
        try
        {
            result = JsonSerializer.Deserialize<Result>(last, Json) ?? throw new JsonException("it is null");
        }
        catch (JsonException e)
        {
            throw new EnvironmentException("baseline", $"The PyTorch baseline gave no result: {e.Message} Its last line is '{last}'.", e);
        }
        if (result.Tokens != tokens || result.Dim != config.Dim || result.Layers != config.NumLayers)
            throw new EnvironmentException("baseline",
                $"The PyTorch baseline measured {result.Tokens} tokens, width {result.Dim}, {result.Layers} layers; {tokens}, "
                    + $"{config.Dim}, {config.NumLayers} were asked for. Use the script of this version.");
        return (result.Torch, [.. result.Rows.Select(r => new BenchmarkRow
        {
            Label = $"PyTorch: {r.Label}",
            StepMilliseconds = r.Ms,
            Repeats = r.Repeats,
            PeakBytes = r.PeakBytes,
            Failure = r.Failure,
        })]);
    }

    private sealed record Result(string Torch, long Tokens, int Dim, int Layers, IReadOnlyList<Row> Rows);

    private sealed record Row(string Label, double? Ms, int Repeats, long? PeakBytes, string? Failure);
}
