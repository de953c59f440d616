using System.CommandLine;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Cli.Output;
using TurboDiffusion.Models;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Cli.Commands;

/// <summary>A command that writes a <c>.safetensors</c> file, whole or not at all.</summary>
internal abstract class WritingCommand : CliCommand
{
    private const string Extension = ".safetensors";

    private readonly Option<bool> _overwrite = Opt.Flag("--overwrite", "Replace the output if it exists.");

    /// <inheritdoc cref="CliCommand"/>
    protected WritingCommand(Terminal terminal, string name, string description)
        : base(terminal, name, description)
    {
    }

    /// <summary>The file to write.</summary>
    protected Argument<string> Output { get; } = new("OUT") { Description = $"The {Extension} file to write." };

    /// <summary>Adds options, with <c>--overwrite</c> at their end.</summary>
    protected void AddOptions(params Option[] options) => Add("Options", [.. options, _overwrite]);

    /// <summary>Whether what exists may be replaced.</summary>
    /// <param name="parsed">The arguments.</param>
    protected bool Overwrites(ParseResult parsed) => parsed.GetValue(_overwrite);

    /// <summary>Checks the output before any work: its name, its folder, what is there, the room on the disk.</summary>
    /// <param name="parsed">The arguments.</param>
    /// <param name="bytes">About how many bytes will be written.</param>
    /// <exception cref="InvalidRequestException">The name cannot be used.</exception>
    /// <exception cref="EnvironmentException">There is too little room.</exception>
    protected string CheckOutput(ParseResult parsed, long bytes) => CheckOutput(parsed, parsed.GetRequiredValue(Output), bytes);

    /// <summary>As <see cref="CheckOutput(ParseResult, long)"/>, of an output that is named elsewhere.</summary>
    /// <param name="parsed">The arguments.</param>
    /// <param name="output">The output.</param>
    /// <param name="bytes">About how many bytes will be written.</param>
    protected string CheckOutput(ParseResult parsed, string output, long bytes)
    {
        string path = Path.GetFullPath(output), folder = Path.GetDirectoryName(path) ?? path;
        if (!path.EndsWith(Extension, StringComparison.OrdinalIgnoreCase))
            throw Bad($"does not end in {Extension}, which is what is written");
        if (Directory.Exists(path)) throw Bad("is a folder; give a file");
        if (OutputFolder.Problem(folder, Path.GetFileName(path)) is { } problem) throw Bad($"cannot be written: {problem}");
        if (File.Exists(path) && !Overwrites(parsed)) throw Bad("exists already; choose another name, or give --overwrite");
        long free = new DriveInfo(OutputFolder.Nearest(folder)).AvailableFreeSpace;
        return free >= bytes ? path
            : throw new EnvironmentException("disk",
                $"{path} will have about {Format.Bytes(bytes)}, and {folder} has {Format.Bytes(free)} of room. Free some, or choose "
                    + "another disk.");

        InvalidRequestException Bad(string reason) => new("OUT", $"The output {path} {reason}.");
    }

    /// <summary>Writes tensors, shows how far it has come, and says what was made.</summary>
    /// <param name="parsed">The arguments.</param>
    /// <param name="tensors">The tensors.</param>
    /// <param name="metadata">The file's metadata.</param>
    protected int Write(ParseResult parsed, IReadOnlyCollection<TensorSource> tensors, IReadOnlyDictionary<string, string> metadata) =>
        Write(CheckOutput(parsed, tensors.Sum(t => t.Info.ByteCount)), tensors, metadata);

    /// <summary>Writes tensors into a file, shows how far it has come, and says what was made.</summary>
    /// <param name="path">The file, checked.</param>
    /// <param name="tensors">The tensors.</param>
    /// <param name="metadata">The file's metadata.</param>
    protected int Write(string path, IReadOnlyCollection<TensorSource> tensors, IReadOnlyDictionary<string, string> metadata) =>
        Write(path, (file, progress) => SafetensorsWriter.Write(file, tensors, metadata, progress, Terminal.Cancelled));

    /// <summary>Writes a file, shows how far it has come, and says what was made.</summary>
    /// <param name="path">The file, checked.</param>
    /// <param name="write">Writes it, whole or not at all.</param>
    protected int Write(string path, Action<string, IProgress<(long Done, long Total)>> write)
    {
        long start = TimeProvider.System.GetTimestamp();
        ProgressDisplay.Run(Terminal, display =>
        {
            write(path, new ByteProgress(display, Path.GetFileName(path)));
            return true;
        });
        using ICheckpoint written = Checkpoint.Open(path);
        Terminal.Out.WriteLine($"{path}: {InspectionReport.Line(CheckpointInspector.Inspect(written))}; "
            + $"{Format.Seconds(TimeProvider.System.GetElapsedTime(start))}");
        return ExitCode.Success;
    }

    private sealed class ByteProgress(IProgress<ProgressState> display, string file) : IProgress<(long Done, long Total)>
    {
        // The first tensors, small ones and the first use of everything, say nothing about the rest.
        private static readonly TimeSpan Warmup = TimeSpan.FromSeconds(2);

        private readonly long _start = TimeProvider.System.GetTimestamp();

        public void Report((long Done, long Total) value)
        {
            TimeSpan elapsed = TimeProvider.System.GetElapsedTime(_start);
            display.Report(new ProgressState($"writing {file}", value.Done, value.Total, "bytes",
                elapsed < Warmup ? null : elapsed * ((double)(value.Total - value.Done) / value.Done)));
        }
    }
}
