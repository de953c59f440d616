using TorchSharp;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Pipelines;

namespace TurboDiffusion.Generation;

/// <summary>Writes the videos of a request to their files as the frames come; what is not completed leaves nothing behind.</summary>
internal sealed class FileReceiver(
    VideoRequest request, PipelineRequest plan, double framesPerSecond, ModelIdentity model, FrameDownload download,
    IVideoObserver? observer, CancellationToken cancellationToken)
    : IVideoReceiver, IDisposable
{
    private readonly List<(string Path, ulong Seed)> _finished = [];
    private IFrameSink? _sink;
    private (string Path, ulong Seed) _current;

    public IReadOnlyList<(string Path, ulong Seed)> Finished => _finished;

    public void Preview(ClipPreview preview) => observer?.Preview(preview);

    public void Begin(int video, ulong seed)
    {
        observer?.Begin(video, seed);
        _current = (Path.GetFullPath(request.PathOf(video)), seed);
        _sink = VideoSink.Open(request.PathOf(video), new VideoFormat(plan.Width, plan.Height, framesPerSecond),
            new VideoMetadata(plan.Prompt, seed, model.ToString(), VideoModel.Version), request.Output, cancellationToken);
    }

    public void Write(torch.Tensor frames)
    {
        Pass(download.Add(frames));
    }

    public void End()
    {
        Pass(download.Last());
        _sink!.CompleteAsync(cancellationToken).GetAwaiter().GetResult();
        CloseSink();
        _finished.Add(_current);
        observer?.End();
    }

    public void Dispose()
    {
        try
        {
            download.Drop();
        }
        finally
        {
            CloseSink();
        }
    }

    private void Pass(torch.Tensor? levels)
    {
        using (levels)
        {
            using torch.Tensor? bytes = levels?.squeeze(0);
            if (bytes is null) return;
            observer?.Write(bytes);
            _sink!.Write(bytes);
        }
    }

    private void CloseSink()
    {
        _sink?.DisposeAsync().AsTask().GetAwaiter().GetResult();
        _sink = null;
    }
}
