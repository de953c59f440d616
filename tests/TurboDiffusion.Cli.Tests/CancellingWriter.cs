namespace TurboDiffusion.Cli.Tests;

/// <summary>Cancels as soon as a line has a text in it.</summary>
internal sealed class CancellingWriter(string text, CancellationTokenSource cancellation) : StringWriter
{
    public override void WriteLine(object? value) => WriteLine(value?.ToString());

    public override void WriteLine(string? value)
    {
        base.WriteLine(value);
        if (value!.Contains(text, StringComparison.Ordinal)) cancellation.Cancel();
    }
}
