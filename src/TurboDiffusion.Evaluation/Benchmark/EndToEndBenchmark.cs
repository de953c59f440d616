using System.Diagnostics;
using TorchSharp;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>
/// Whole generations of a model of files: from opening it to the last frame in host memory, and to files, stage by stage. The first is
/// cold (it loads); of the others, the median counts.
/// </summary>
/// <param name="files">The model.</param>
/// <param name="options">How it is run.</param>
/// <param name="request">What is generated; its path is not used.</param>
/// <param name="repeats">Warm generations of each kind, and processes.</param>
/// <param name="process">How to start a process that generates the same, with this output.</param>
internal sealed class EndToEndBenchmark(
    ModelFiles files, VideoModelOptions options, VideoRequest request, int repeats, Func<string, ProcessStartInfo> process)
{
    private const double EncodingPatience = 2;

    /// <summary>Measures.</summary>
    /// <param name="progress">Told of each generation.</param>
    /// <param name="cancellationToken">Ends it within a block.</param>
    /// <exception cref="TurboDiffusionException">The model cannot be opened, or the request not be met.</exception>
    public EndToEndResult Run(IProgress<string> progress, CancellationToken cancellationToken)
    {
        using var folder = new ScratchFolder("the videos that are measured");
        string[] outputs = Outputs(progress);
        // The model has given its memory back before a process takes as much.
        EndToEndResult result = Generations(folder, outputs, progress, cancellationToken);
        var seconds = new List<double>();
        for (int i = 0; i < repeats; i++)
        {
            seconds.Add(ProcessTo(Path.Combine(folder.Path, $"{i}-{outputs[^1]}"), cancellationToken));
            progress.Report(FormattableString.Invariant($"a process of its own, to {outputs[^1]}: {seconds[^1]:0.00} s"));
        }
        return result with { ProcessOutput = outputs[^1], ProcessSeconds = seconds };
    }

    private EndToEndResult Generations(
        ScratchFolder folder, string[] outputs, IProgress<string> progress, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        using VideoModel model = VideoModel.Open(files, options);
        double opening = clock.Elapsed.TotalSeconds;
        // It shares the model's parts, which are the model's to free; the embeddings that it keeps are its own.
        var pipeline = new WanPipeline(model.Components);
        try
        {
            int number = 0;
            // Another prompt each time: the embedding of one that was encoded is kept.
            VideoRequest Next(string output) => request with
            {
                Prompt = $"{request.Prompt} {++number}",
                OutputPath = Path.Combine(folder.Path, output),
                Output = new() { Overwrite = true },
            };

            var runs = new List<EndToEndRun>();
            // Keeps its buffers from video to video, as the model does.
            using var frames = new FrameArrival();
            EndToEndRun Measure(string writer, Func<IReadOnlyDictionary<GenerationStage, TimeSpan>> generate)
            {
                long start = Stopwatch.GetTimestamp();
                IReadOnlyDictionary<GenerationStage, TimeSpan> stages = generate();
                var run = new EndToEndRun(writer, Stopwatch.GetElapsedTime(start).TotalSeconds, frames.Seconds,
                    stages.ToDictionary(s => s.Key, s => s.Value.TotalSeconds));
                progress.Report(FormattableString.Invariant($"{writer}: {run.Seconds:0.00} s"));
                runs.Add(run);
                return run;
            }

            PipelineRequest plan;
            using (torch.NewDisposeScope()) plan = model.Check(Next(outputs[^1])) with { Count = 1 };
            EndToEndRun Host() => Measure(EndToEndResult.HostMemory,
                () => pipeline.Run(plan with { Prompt = Next("").Prompt }, frames, cancellationToken: cancellationToken));
            EndToEndRun File(string output) => Measure(output,
                () => model.Generate(Next(output), observer: frames, cancellationToken: cancellationToken)[0].StageTimes);

            EndToEndRun first = Host();
            for (int i = 0; i < repeats; i++) Host();
            foreach (string output in outputs)
                for (int i = 0; i < repeats; i++) File(output);
            double encoding = Encoding(model.Components, plan, cancellationToken);
            progress.Report(FormattableString.Invariant($"encoding {plan.Frames} frames: {encoding:0.00} s"));
            return new EndToEndResult
            {
                Model = model.Identity.ToString(),
                Preset = model.Spec.Name,
                TinyVae = model.Identity.TinyVae,
                Device = GpuDevices.NameOf(model.Components.Device),
                Size = new(plan.Width, plan.Height),
                Frames = plan.Frames,
                Steps = plan.Sampler.Steps,
                Version = VideoModel.Version,
                OpeningSeconds = opening,
                EncodingSeconds = encoding,
                First = first,
                Warm = [.. runs.Where(r => r != first)],
                PeakBytes = GpuMemory.Used(model.Components.Device) ?? Process.GetCurrentProcess().PeakWorkingSet64,
            };
        }
        finally
        {
            pipeline.ForgetTexts();
        }
    }

    // What training and image-to-video ask of the autoencoder: as many frames as are decoded.
    private static double Encoding(WanComponents components, PipelineRequest plan, CancellationToken cancellationToken)
    {
        IVideoAutoencoder vae = components.Vae.Get(null, cancellationToken);
        try
        {
            using torch.Tensor video = torch.rand([1, 3, plan.Frames, plan.Height, plan.Width], device: components.Device);
            void Encode() => vae.Encode(video, cancellationToken).Dispose();
            Encode();
            return DeviceClock.Median(components.Device, Encode, EncodingPatience).Milliseconds / 1000;
        }
        finally
        {
            components.Vae.Release();
        }
    }

    private double ProcessTo(string output, CancellationToken cancellationToken)
    {
        ProcessStartInfo start = process(output);
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        long began = Stopwatch.GetTimestamp();
        using Process running = Process.Start(start)!;
        using CancellationTokenRegistration ending = cancellationToken.Register(() => running.Kill(entireProcessTree: true));
        Task<string> said = running.StandardError.ReadToEndAsync(CancellationToken.None);
        running.StandardOutput.ReadToEnd();
        running.WaitForExit();
        double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        cancellationToken.ThrowIfCancellationRequested();
        return running.ExitCode == 0 ? seconds : throw new EnvironmentException("process",
            $"{start.FileName} ended with {running.ExitCode}, where the same generation succeeds in this process: {said.Result.Trim()}");
    }

    // A machine without ffmpeg still has all else to measure.
    private static string[] Outputs(IProgress<string> progress)
    {
        try
        {
            FFmpeg.Locate();
            return [EndToEndResult.PngFrames, EndToEndResult.Mp4];
        }
        catch (EnvironmentException e)
        {
            progress.Report($"{EndToEndResult.Mp4} is left out: {e.Message}");
            return [EndToEndResult.PngFrames];
        }
    }
}
