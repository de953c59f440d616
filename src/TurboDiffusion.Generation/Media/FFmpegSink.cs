using System.Globalization;
using System.Threading.Channels;
using TorchSharp;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Generation.Media;

/// <summary>A video file, encoded by ffmpeg while its frames arrive.</summary>
internal sealed class FFmpegSink : IFrameSink
{
    // Aside, with nothing of the user's in it.
    private const string FileName = "video";

    // RGB is converted by the BT.709 matrix, and tagged so; ffmpeg's own choice would be BT.601, untagged.
    private static readonly string[] Yuv420 =
    [
        "-vf", "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int,format=yuv420p",
        "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv",
    ];

    // Ctrl-C in a terminal reaches ffmpeg as well, at times before the token here is cancelled.
    private static readonly TimeSpan SignalDelay = TimeSpan.FromSeconds(1);

    private readonly FFmpeg _ffmpeg;
    private readonly VideoFormat _format;
    private readonly VideoMetadata _metadata;
    private readonly VideoTarget _target;
    private readonly bool _overwrite;
    private readonly FramePipe _pipe;
    private readonly PartialOutput _output;
    private readonly CancellationTokenSource _abort;
    private readonly Task _encoding;
    private long _count;
    private bool _ended;

    public FFmpegSink(FFmpeg ffmpeg, VideoTarget target, VideoFormat format, VideoMetadata metadata, VideoOptions options,
        CancellationToken cancellationToken)
    {
        (_ffmpeg, _format, _metadata, _target, _overwrite) = (ffmpeg, format, metadata, target, options.Overwrite);
        _pipe = new FramePipe(format);
        _output = target.Begin();
        _abort = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _encoding = Task.Run(() => EncodeAsync(options), CancellationToken.None);
    }

    public void Write(torch.Tensor frames)
    {
        _format.Check(frames);
        using var scope = torch.NewDisposeScope();
        torch.Tensor bytes = frames.cpu().contiguous();
        for (long t = 0; t < bytes.size(0); t++)
        {
            _abort.Token.ThrowIfCancellationRequested();
            try
            {
                _pipe.Push(bytes[t]);
                _count++;
            }
            catch (ChannelClosedException)
            {
                _encoding.GetAwaiter().GetResult();
                throw new InvalidOperationException("The video is complete; frames cannot be added to it.");
            }
        }
    }

    public async Task CompleteAsync(CancellationToken cancellationToken = default)
    {
        if (_count == 0) throw new InvalidOperationException("A video needs at least one frame.");
        _pipe.Close();
        using CancellationTokenRegistration ending = cancellationToken.Register(_abort.Cancel);
        await _encoding.ConfigureAwait(false);
        if (_ended) return;
        try
        {
            if (_target.Container == VideoContainer.Gif) GifComment.Insert(Path.Combine(_output.Path, FileName), _metadata.ToJson());
            await CheckAsync().ConfigureAwait(false);
            _output.CommitFile(FileName, _overwrite);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw VideoTarget.NotWritten(_target.Path, e);
        }
        _ended = true;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_ended)
        {
            _ended = true;
            await _abort.CancelAsync().ConfigureAwait(false);
            _pipe.Close(new OperationCanceledException());
            // What went wrong has been thrown to the caller by Write or CompleteAsync; here it is over either way.
            await _encoding.ContinueWith(_ => { }, TaskScheduler.Default).ConfigureAwait(false);
            _output.Dispose();
        }
        _abort.Dispose();
    }

    private async Task EncodeAsync(VideoOptions options)
    {
        try
        {
            using FFmpegProcess process = FFmpegProcess.Start(_ffmpeg, Arguments(options), _output.Path);
            using CancellationTokenRegistration ending = _abort.Token.Register(process.Kill);
            bool fed = await _pipe.FeedAsync(process, _abort.Token).ConfigureAwait(false);
            await process.EndAsync().ConfigureAwait(false);
            if (process.WasInterrupted) await Task.Delay(SignalDelay, _abort.Token).ConfigureAwait(false);
            _abort.Token.ThrowIfCancellationRequested();
            if (process.ExitCode != 0 || !fed)
                throw new EnvironmentException("ffmpeg", process.WasInterrupted
                    ? $"ffmpeg was ended by another program before it had written {_target.Path}."
                    : $"ffmpeg could not write {_target.Path}: it failed with code {process.ExitCode} ({process.Reason}).");
        }
        catch (Exception e)
        {
            // A killed process shows as a broken pipe first.
            Exception cause = _abort.IsCancellationRequested ? new OperationCanceledException(_abort.Token) : e;
            _pipe.Close(cause);
            _output.Dispose();
            if (cause == e) throw;
            throw cause;
        }
    }

    /// <summary>Reads the file as a player would: ffmpeg ends in success with half a file where a disk was full at its end.</summary>
    private async Task CheckAsync()
    {
        string demuxer = _target.Container switch { VideoContainer.Mp4 => "mov", VideoContainer.WebM => "matroska", _ => "gif" };
        using FFmpegProcess process = FFmpegProcess.Start(_ffmpeg,
            ["-xerror", "-f", demuxer, "-i", FileName, "-map", "0:v:0", "-c", "copy", "-f", "framecrc", "-"], _output.Path);
        using CancellationTokenRegistration ending = _abort.Token.Register(process.Kill);
        process.Input.Close();
        Task<long> packets = CountPacketsAsync(process.Output);
        await process.WhileWorking(packets).ConfigureAwait(false);
        await process.EndAsync().ConfigureAwait(false);
        _abort.Token.ThrowIfCancellationRequested();
        long found = await packets.ConfigureAwait(false);
        if (process.ExitCode != 0 || found != _count)
            throw new EnvironmentException("ffmpeg",
                $"ffmpeg wrote a file that cannot be played: {found} of {_count} frames can be read from it ({process.Reason}). Is there "
                    + $"room on the disk of {_target.Folder}?");
    }

    // One line for each; comments begin with #.
    private static async Task<long> CountPacketsAsync(Stream output)
    {
        using var reader = new StreamReader(output);
        long count = 0;
        while (await reader.ReadLineAsync().ConfigureAwait(false) is { } line)
            if (line.Length > 0 && line[0] != '#') count++;
        return count;
    }

    private string[] Arguments(VideoOptions options) =>
    [
        "-xerror", "-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", $"{_format.Width}x{_format.Height}",
        "-framerate", _format.FramesPerSecond.ToString(CultureInfo.InvariantCulture), "-i", "pipe:0",
        .. Encoder(options.Crf, options.Nvenc), "-y", FileName,
    ];

    private string[] Encoder(int? crf, bool nvenc) => _target.Container switch
    {
        VideoContainer.Mp4 when nvenc => ["-c:v", FFmpeg.Nvenc, "-preset", "p5", "-rc", "vbr", "-cq", Crf(crf ?? 18), "-b:v", "0",
            .. Yuv420, "-movflags", "+faststart", .. Tags(), "-f", "mp4"],
        VideoContainer.Mp4 => ["-c:v", "libx264", "-preset", "medium", "-crf", Crf(crf ?? 18), .. Yuv420, "-movflags", "+faststart",
            .. Tags(), "-f", "mp4"],
        VideoContainer.WebM =>
        [
            "-c:v", "libvpx-vp9", "-crf", Crf(crf ?? 30), "-b:v", "0", "-deadline", "good", "-cpu-used", "4", "-row-mt", "1",
            .. Yuv420, .. Tags(), "-f", "webm",
        ],
        VideoContainer.Gif => ["-filter_complex", "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1", "-loop", "0",
            "-f", "gif"],
        _ => throw new ArgumentOutOfRangeException(nameof(crf), _target.Container, "ffmpeg does not write this container."),
    };

    private static string Crf(int value) => value.ToString(CultureInfo.InvariantCulture);

    private string[] Tags() =>
    [
        "-metadata", "title=" + Text(_metadata.Prompt), "-metadata", "description=" + Text(_metadata.Prompt), "-metadata",
        "comment=" + Text(_metadata.ToJson()),
    ];

    private static string Text(string text) => text.Replace('\0', ' ');
}
