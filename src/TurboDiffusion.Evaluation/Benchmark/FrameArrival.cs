using System.Diagnostics;
using TorchSharp;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Pipelines;

namespace TurboDiffusion.Evaluation.Benchmark;

/// <summary>
/// When the frames of a video come to host memory: of one that is written (an observer), or that goes nowhere else (a receiver). Both
/// have their frames by a <see cref="FrameDownload"/>.
/// </summary>
internal sealed class FrameArrival : IVideoObserver, IVideoReceiver, IDisposable
{
    private readonly FrameDownload _download = new();
    private long _begun, _last;

    /// <summary>Seconds from the start of decoding to the last frame, of the last video.</summary>
    public double Seconds => Stopwatch.GetElapsedTime(_begun, _last).TotalSeconds;

    /// <inheritdoc cref="IVideoReceiver.Begin"/>
    public void Begin(int video, ulong seed) => _begun = Stopwatch.GetTimestamp();

    void IVideoObserver.Write(torch.Tensor levels) => _last = Stopwatch.GetTimestamp();

    void IVideoReceiver.Write(torch.Tensor frames) => Take(_download.Add(frames));

    void IVideoReceiver.End() => Take(_download.Last());

    /// <inheritdoc/>
    public void Dispose() => _download.Dispose();

    private void Take(torch.Tensor? levels)
    {
        if (levels is null) return;
        levels.Dispose();
        _last = Stopwatch.GetTimestamp();
    }
}
