using System.Collections.Concurrent;

namespace TurboDiffusion.Generation.Media;

/// <summary>The ffmpeg program of this machine.</summary>
public sealed record FFmpeg
{
    /// <summary>The environment variable that names ffmpeg, or the folder that it is in, where it is not on the PATH.</summary>
    public const string Variable = "TURBODIFFUSION_FFMPEG";

    internal const string Nvenc = "h264_nvenc";

    internal const string Remedy =
        "Install it (Debian, Ubuntu: apt-get install ffmpeg; macOS: brew install ffmpeg; Windows: winget install ffmpeg), or set "
            + $"{Variable} to its folder";

    private static readonly string FileName = OperatingSystem.IsWindows() ? "ffmpeg.exe" : "ffmpeg";

    private static readonly ConcurrentDictionary<string, (DateTime Installed, FFmpeg Program)> Known = new(StringComparer.Ordinal);

    // Why NVENC does not encode, by the program; null where it does.
    private static readonly ConcurrentDictionary<string, string?> Trials = new(StringComparer.Ordinal);

    private FFmpeg(string path, string version, IReadOnlySet<string> encoders) => (Path, Version, Encoders) = (path, version, encoders);

    /// <summary>The program.</summary>
    public string Path { get; }

    /// <summary>Its version, such as <c>5.1.9</c>.</summary>
    public string Version { get; }

    /// <summary>The names of its encoders.</summary>
    public IReadOnlySet<string> Encoders { get; }

    /// <summary>Finds ffmpeg and asks what it can do.</summary>
    /// <exception cref="EnvironmentException">There is no ffmpeg, or it does not run.</exception>
    public static FFmpeg Locate() => Locate(Environment.GetEnvironmentVariable(Variable), Environment.GetEnvironmentVariable("PATH"));

    internal static FFmpeg Locate(string? variable, string? searchPath)
    {
        string path = Find(variable, searchPath);
        DateTime installed = File.GetLastWriteTimeUtc(path);
        // Asked once for each program: every output of every request is checked. A replaced program is asked again.
        if (Known.TryGetValue(path, out (DateTime Installed, FFmpeg Program) known) && known.Installed == installed) return known.Program;
        FFmpeg program = Ask(path);
        Known[path] = (installed, program);
        return program;
    }

    private static FFmpeg Ask(string path)
    {
        // First line: "ffmpeg version 5.1.9-0+deb12u1 Copyright …".
        var program = new FFmpeg(path, "unknown", new HashSet<string>());
        string version = Run(program, "-version").Split(' ', 4) is [_, "version", var v, ..] ? v : "unknown";
        // Lines such as " V....D libx264   libx264 H.264 …", after a legend that ends in " ------".
        var encoders = Run(program, "-encoders").Split('\n').SkipWhile(l => l.Trim() != "------").Skip(1)
            .Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(w => w.Length >= 2).Select(w => w[1]);
        return new FFmpeg(path, version, encoders.ToHashSet(StringComparer.Ordinal));
    }

    /// <summary>Checks that a container can be written.</summary>
    /// <param name="container">What is to be written.</param>
    /// <exception cref="EnvironmentException">This ffmpeg was built without the encoder.</exception>
    public void Require(VideoContainer container)
    {
        string? encoder = container switch
        {
            VideoContainer.Mp4 => "libx264",
            VideoContainer.WebM => "libvpx-vp9",
            VideoContainer.Gif => "gif",
            _ => null,
        };
        if (encoder is not null && !Encoders.Contains(encoder))
            throw new EnvironmentException("ffmpeg",
                $"{Path} (version {Version}) was built without the encoder {encoder}, which {container} needs. {Remedy}.");
    }

    /// <summary>Checks that NVENC encodes on this machine, by encoding a black frame: that this ffmpeg knows it does not say so.</summary>
    /// <exception cref="EnvironmentException">It does not.</exception>
    public void RequireNvenc()
    {
        string? reason = Encoders.Contains(Nvenc) ? Trials.GetOrAdd(Path, _ => Try()) : $"it was built without the encoder {Nvenc}";
        if (reason is not null)
            throw new EnvironmentException("ffmpeg",
                $"{Path} (version {Version}) does not encode with NVENC here: {reason}. Leave NVENC out, or install the NVIDIA driver "
                    + "and an ffmpeg with NVENC.");
    }

    private string? Try()
    {
        using FFmpegProcess process = FFmpegProcess.Start(this,
            ["-f", "lavfi", "-i", "color=black:size=256x256:rate=1:duration=1", "-c:v", Nvenc, "-f", "null", "-"]);
        process.Input.Close();
        process.EndAsync().GetAwaiter().GetResult();
        return process.ExitCode == 0 ? null : process.Reason;
    }

    /// <summary>How long it may do nothing at all before it counts as hung.</summary>
    internal TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(1);

    private static string Find(string? variable, string? searchPath)
    {
        if (variable is { Length: > 0 })
        {
            string named = Directory.Exists(variable) ? System.IO.Path.Combine(variable, FileName) : variable;
            if (File.Exists(named) && System.IO.Path.GetFileName(named) == FileName) return System.IO.Path.GetFullPath(named);
            throw new EnvironmentException("ffmpeg", $"{Variable} is '{variable}', where there is no {FileName}. {Remedy}.");
        }
        return (searchPath ?? "").Split(System.IO.Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => System.IO.Path.Combine(folder, FileName)).FirstOrDefault(File.Exists)
            ?? throw new EnvironmentException("ffmpeg", $"ffmpeg was not found on the PATH. {Remedy}.");
    }

    private static string Run(FFmpeg program, string argument)
    {
        using FFmpegProcess process = FFmpegProcess.Start(program, [argument]);
        process.Input.Close();
        using var reader = new StreamReader(process.Output);
        Task<string> output = reader.ReadToEndAsync();
        process.WhileWorking(output).GetAwaiter().GetResult();
        process.EndAsync().GetAwaiter().GetResult();
        return process.ExitCode == 0 ? output.Result
            : throw new EnvironmentException("ffmpeg", $"{program.Path} {argument} ended with code {process.ExitCode}. {Remedy}.");
    }
}
