namespace TurboDiffusion.Cli.Output;

/// <summary>Progress for logs: a line when a stage begins, when it ends, and now and then between.</summary>
/// <param name="output">Where.</param>
/// <param name="time">The clock.</param>
/// <param name="interval">How long it says nothing within a stage; null for five seconds.</param>
internal sealed class ProgressLines(TextWriter output, TimeProvider time, TimeSpan? interval = null) : IProgress<ProgressState>
{
    private readonly TimeSpan _interval = interval ?? TimeSpan.FromSeconds(5);

    private ProgressState? _last;
    private long _written;

    public void Report(ProgressState value)
    {
        bool begins = _last is not { } last || last.Stage != value.Stage || last.Done > value.Done;
        bool ends = value.Unit.Length > 0 && value.Done == value.Total
            && !(_last is { } before && before.Stage == value.Stage && before.Done == value.Done);
        if (begins || ends || time.GetElapsedTime(_written) >= _interval)
        {
            output.WriteLine(value);
            _written = time.GetTimestamp();
        }
        _last = value;
    }
}
