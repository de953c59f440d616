using System.Globalization;
using System.Text;
using System.Threading.Channels;
using FFMpegCore;
using FFMpegCore.Enums;
using TorchSharp;

namespace TurboDiffusion.Generation.Media;

/// <summary>A video file, encoded by ffmpeg while its frames arrive.</summary>
internal sealed class FFmpegSink : IFrameSink
{
    // RGB is converted by the BT.709 matrix, and tagged so; ffmpeg's own choice would be BT.601, untagged.
    private const string Yuv420 =
        "-vf scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int,format=yuv420p " +
        "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv";

    private readonly VideoFormat _format;
    private readonly VideoMetadata _metadata;
    private readonly VideoTarget _target;
    private readonly FramePipe _pipe;
    private readonly PartialOutput _output;
    private readonly CancellationTokenSource _abort;
    private readonly Task _encoding;
    private long _count;
    private bool _ended;

    public FFmpegSink(FFmpeg ffmpeg, VideoTarget target, VideoFormat format, VideoMetadata metadata, VideoOptions options, CancellationToken cancellationToken)
    {
        (_format, _metadata, _target) = (format, metadata, target);
        _pipe = new FramePipe(format);
        _output = new PartialOutput(target, options.Overwrite);
        _abort = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _encoding = Task.Run(() => EncodeAsync(ffmpeg, options.Crf), CancellationToken.None);
    }

    public void Write(torch.Tensor frames)
    {
        _format.Check(frames);
        using var scope = torch.NewDisposeScope();
        torch.Tensor bytes = frames.cpu().contiguous();
        for (long t = 0; t < bytes.shape[0]; t++)
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
        using (cancellationToken.Register(_abort.Cancel))
            await _encoding.ConfigureAwait(false);
        if (_ended) return;
        _ended = true;
        if (_target.Container == VideoContainer.Gif) GifComment.Insert(_output.Path, _metadata.ToJson());
        _output.Commit();
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
            _output.Discard();
        }
        _abort.Dispose();
    }

    private async Task EncodeAsync(FFmpeg ffmpeg, int? crf)
    {
        try
        {
            FFMpegResult result = await FFMpegArguments.FromPipeInput(_pipe)
                .OutputToFile(_output.Name, overwrite: true, o => o.WithCustomArgument(Arguments(crf)))
                .WithLogLevel(FFMpegLogLevel.Error)
                .CancellableThrough(_abort.Token, TimeSpan.Zero)
                .ProcessAsynchronously(throwOnError: false, ffmpeg.Options(_target.Folder)).ConfigureAwait(false);
            _abort.Token.ThrowIfCancellationRequested();
            // Ctrl-C in a terminal reaches ffmpeg as well, at times before the token here is cancelled.
            if (IsInterruption(result.ExitCode)) throw new OperationCanceledException("ffmpeg was interrupted.");
            if (!result.Success || _pipe.Broken)
                throw new EnvironmentException("ffmpeg",
                    $"ffmpeg failed with code {result.ExitCode}: {result.StandardError.LastOrDefault(l => !string.IsNullOrWhiteSpace(l)) ?? "no reason given"}");
        }
        catch (Exception e)
        {
            _pipe.Close(e);
            _output.Discard();
            throw;
        }
    }

    private string Arguments(int? crf) => _target.Container switch
    {
        VideoContainer.Mp4 => string.Create(CultureInfo.InvariantCulture,
            $"-c:v libx264 -preset medium -crf {crf ?? 18} {Yuv420} -movflags +faststart {Tags()} -f mp4"),
        VideoContainer.WebM => string.Create(CultureInfo.InvariantCulture,
            $"-c:v libvpx-vp9 -crf {crf ?? 30} -b:v 0 -deadline good -cpu-used 4 -row-mt 1 {Yuv420} {Tags()} -f webm"),
        VideoContainer.Gif => "-filter_complex split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1 -loop 0 -f gif",
        _ => throw new ArgumentOutOfRangeException(nameof(crf), _target.Container, "ffmpeg does not write this container."),
    };

    // 255 is what ffmpeg itself returns after SIGINT or SIGTERM; 128 + the signal is what a process shows that had no handler yet.
    private static bool IsInterruption(int exitCode) => exitCode is 255 or 128 + 2 or 128 + 15;

    private string Tags() =>
        $"-metadata title={Quote(_metadata.Prompt)} -metadata description={Quote(_metadata.Prompt)} -metadata comment={Quote(_metadata.ToJson())}";

    /// <summary>One argument of a command line, by the rules of <see cref="System.Diagnostics.ProcessStartInfo.Arguments"/>.</summary>
    private static string Quote(string text)
    {
        var quoted = new StringBuilder("\"");
        int backslashes = 0;
        foreach (char c in text.Replace('\0', ' '))
        {
            if (c == '"') quoted.Append('\\', backslashes + 1);
            backslashes = c == '\\' ? backslashes + 1 : 0;
            quoted.Append(c);
        }
        return quoted.Append('\\', backslashes).Append('"').ToString();
    }
}
