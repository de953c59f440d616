using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace TurboDiffusion.Generation.Media;

/// <summary>
/// A running ffmpeg. It is waited for as long as it works; one that does nothing for its <see cref="FFmpeg.Patience"/> is ended.
/// Disposing ends it.
/// </summary>
internal sealed class FFmpegProcess : IDisposable
{
    private const int LongestReason = 400, ReasonLines = 3;

    // A busy process that makes nothing of its work is given up after so many times the patience.
    private const int BusyPatience = 10;

    // Of what it prints, only the end is kept.
    private const int LogBytes = 8192;

    private readonly FFmpeg _program;
    private readonly Process _process;
    private readonly Task<string> _log;

    private FFmpegProcess(FFmpeg program, Process process)
    {
        (_program, _process) = (program, process);
        _log = TailAsync(process.StandardError.BaseStream);
    }

    /// <summary>What it reads.</summary>
    public Stream Input => _process.StandardInput.BaseStream;

    /// <summary>What it writes.</summary>
    public Stream Output => _process.StandardOutput.BaseStream;

    /// <summary>How it ended. 128 and the signal where a signal ended it.</summary>
    public int ExitCode => _process.ExitCode;

    /// <summary>
    /// Whether it was asked to end: 255 is what ffmpeg itself returns after SIGINT or SIGTERM; 128 + the signal is what a process
    /// shows that had no handler yet.
    /// </summary>
    public bool WasInterrupted => ExitCode is 255 or 128 + 2 or 128 + 15;

    /// <summary>The last things that it said, once it has ended.</summary>
    public string Reason
    {
        get
        {
            string[] lines = _log.GetAwaiter().GetResult()
                .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            string reason = string.Join("; ", lines.TakeLast(ReasonLines));
            return reason.Length == 0 ? "no reason given" : reason.Length > LongestReason ? "…" + reason[^LongestReason..] : reason;
        }
    }

    /// <summary>Starts it. Its input and output are to be read and written, or closed.</summary>
    /// <param name="program">The program.</param>
    /// <param name="arguments">The command line.</param>
    /// <param name="folder">Where it works; null: where this process does.</param>
    /// <exception cref="EnvironmentException">It does not run.</exception>
    public static FFmpegProcess Start(FFmpeg program, IEnumerable<string> arguments, string? folder = null)
    {
        try
        {
            return new FFmpegProcess(program,
                Process.Start(new ProcessStartInfo(program.Path, ["-hide_banner", "-loglevel", "error", .. arguments])
            {
                WorkingDirectory = folder ?? "",
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!);
        }
        catch (Win32Exception e)
        {
            throw new EnvironmentException("ffmpeg", $"{program.Path} does not run: {e.Message}. {FFmpeg.Remedy}.", e);
        }
    }

    /// <summary>Waits for something that it does.</summary>
    /// <exception cref="EnvironmentException">It does nothing any more.</exception>
    public async Task WhileWorking(Task work)
    {
        TimeSpan used = CpuTime();
        for (int waited = 1; ; waited++)
        {
            try
            {
                await work.WaitAsync(_program.Patience).ConfigureAwait(false);
                return;
            }
            catch (TimeoutException) when (!work.IsCompleted)
            {
            }
            TimeSpan now = CpuTime();
            if (now > used && waited < BusyPatience)
            {
                used = now;
                continue;
            }
            Kill();
            throw new EnvironmentException("ffmpeg",
                $"ffmpeg hung: it did nothing for {_program.Patience.TotalSeconds * (now > used ? waited : 1):0} seconds and was ended "
                    + $"({_program.Path}, version {_program.Version}).");
        }
    }

    /// <summary>Waits for its end.</summary>
    /// <exception cref="EnvironmentException">It hangs.</exception>
    public Task EndAsync() => WhileWorking(Task.WhenAll(_process.WaitForExitAsync(), _log));

    /// <summary>Ends it at once.</summary>
    public void Kill()
    {
        try
        {
            _process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception or NotSupportedException or AggregateException)
        {
            // It has ended by itself.
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_process.HasExited) Kill();
        _process.Dispose();
    }

    private TimeSpan CpuTime()
    {
        try
        {
            return _process.TotalProcessorTime;
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception or NotSupportedException)
        {
            return TimeSpan.MaxValue;
        }
    }

    private static async Task<string> TailAsync(Stream stream)
    {
        byte[] tail = new byte[2 * LogBytes];
        int length = 0;
        try
        {
            while (await stream.ReadAsync(tail.AsMemory(length)).ConfigureAwait(false) is > 0 and var read)
            {
                length += read;
                if (length <= LogBytes) continue;
                tail.AsSpan(length - LogBytes, LogBytes).CopyTo(tail);
                length = LogBytes;
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
        }
        return Encoding.UTF8.GetString(tail, 0, length);
    }
}
