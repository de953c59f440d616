using Spectre.Console;

namespace TurboDiffusion.Cli.Output;

/// <summary>Shows progress: one bar that is redrawn on a screen, lines where the standard error is redirected.</summary>
internal static class ProgressDisplay
{
    /// <summary>Does work and shows how far it has come.</summary>
    /// <param name="terminal">Where; null shows nothing.</param>
    /// <param name="work">The work.</param>
    /// <param name="interval">How long lines say nothing within a stage; null for five seconds.</param>
    public static T Run<T>(Terminal? terminal, Func<IProgress<ProgressState>, T> work, TimeSpan? interval = null)
    {
        if (terminal is null) return work(new Silence());
        if (terminal.Live is not { } console) return work(new ProgressLines(terminal.Error, TimeProvider.System, interval));
        return console.Progress().AutoClear(true)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn())
            .Start(context => work(new Bar(context.AddTask("starting"))));
    }

    private sealed class Bar(ProgressTask task) : IProgress<ProgressState>
    {
        public void Report(ProgressState value)
        {
            // The bar shows the percentage.
            task.Description = Markup.Escape((value with { Percent = null }).ToString());
            task.MaxValue = value.Percent is null ? Math.Max(1, value.Total) : 100;
            task.Value = value.Percent ?? value.Done;
        }
    }

    private sealed class Silence : IProgress<ProgressState>
    {
        public void Report(ProgressState value)
        {
        }
    }
}
