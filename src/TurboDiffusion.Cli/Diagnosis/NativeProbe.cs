using System.Diagnostics;
using System.Text.Json;
using TorchSharp;
using TurboDiffusion.Cli.Output;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.Cli.Diagnosis;

/// <summary>
/// Tries the native libraries in a process of its own: one that ends the process, or hangs, must not end the doctor.
/// </summary>
internal static class NativeProbe
{
    /// <summary>The hidden option of <c>doctor</c> that makes a process the probe.</summary>
    public const string Option = "--native-probe";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Starts the probe and reads what it says.</summary>
    /// <param name="libTorchFolder">The value of the variable that names libtorch, or null.</param>
    /// <param name="cancelled">Ends the probe.</param>
    /// <returns>What it says; or null and why it says nothing.</returns>
    public static (NativeState? State, string? Failure) Run(string? libTorchFolder, CancellationToken cancelled)
    {
        ProcessStartInfo start = ThisProgram.With(["doctor", Option]);
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        start.Environment[LibTorch.FolderVariable] = libTorchFolder;
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(cancelled), error = process.StandardError.ReadToEndAsync(cancelled);
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(cancelled);
        end.CancelAfter(Patience);
        try
        {
            process.WaitForExitAsync(end.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (!cancelled.IsCancellationRequested)
        {
            process.Kill(entireProcessTree: true);
            return (null, $"loading it has not ended after {Patience.TotalSeconds} seconds");
        }
        string said = output.GetAwaiter().GetResult();
        try
        {
            if (process.ExitCode == 0 && Json.Read<NativeState>(said) is { } state) return (state, null);
        }
        catch (JsonException)
        {
        }
        string[] lines = error.GetAwaiter().GetResult().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return (null, process.ExitCode == ExitCode.Error && lines is [.., var message]
            ? message[(message.IndexOf(':') + 1)..].Trim()
            : $"loading it ends the process with code {process.ExitCode}{(lines.Length == 0 ? "" : $": {lines[0]}")}");
    }

    /// <summary>The probe itself, in its process.</summary>
    public static NativeState Look()
    {
        (string? driver, IReadOnlyList<GpuDevice?> found, string? driverError) = GpuDevices.Ask();
        string[] gpus = [.. found.Select((g, i) => g is null ? $"cuda:{i} does not answer" : $"{g.Name}, {Format.Bytes(g.Bytes)}")];
        (IReadOnlyList<OperatorReportEntry> kernels, string? kernelError) = AskKernels();
        try
        {
            (string version, bool gpu, bool right) = AskTorch();
            return new NativeState(version, LoadedLibrary(), right, gpu, right
                ? null
                : "it computes wrong numbers", driver, gpus, driverError, kernels, kernelError);
        }
        catch (Exception e)
        {
            return new NativeState(null, null, false, false, ErrorMessage.OneLine(e.GetBaseException()), driver, gpus, driverError, kernels,
                kernelError);
        }
    }

    // The forms for the smallest published model and its video. Constants of torch itself would load libtorch, which may be missing.
    private static (IReadOnlyList<OperatorReportEntry> Forms, string? Error) AskKernels()
    {
        try
        {
            ModelSpec spec = ModelSpec.T2V1_3B;
            long tokens = Patches.Count(spec.Vae.LatentShape(1, spec.Frames, spec.Size.Height, spec.Size.Width));
            BlockShape block = spec.Transformer.Block(tokens, torch.ScalarType.BFloat16);
            FrameShape level = spec.Vae.Level(spec.Size.Height, spec.Size.Width, torch.ScalarType.BFloat16);
            return ([.. OperatorReport.Of(block, AttentionOptions.SageSla(), WeightFormat.Int8), .. OperatorReport.Of(level)], null);
        }
        catch (TurboDiffusionException e)
        {
            return ([], ErrorMessage.OneLine(e));
        }
    }

    private static (string Version, bool Gpu, bool Right) AskTorch()
    {
        LibTorch.Require();
        using torch.Tensor a = torch.arange(4, dtype: torch.float32).reshape(2, 2), product = a.matmul(a);
        return (torch.__version__, torch.cuda.is_available(), product.data<float>().ToArray() is [2, 3, 6, 11]);
    }

    private static string? LoadedLibrary() => !File.Exists("/proc/self/maps") ? null : File.ReadLines("/proc/self/maps")
        .Where(l => l.Contains("libtorch_cpu", StringComparison.Ordinal)).Select(l => l[l.IndexOf('/')..]).FirstOrDefault();
}
