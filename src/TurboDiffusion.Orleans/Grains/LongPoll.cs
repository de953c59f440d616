using Microsoft.Extensions.Hosting;

namespace TurboDiffusion.Orleans.Grains;

/// <summary>Calls that wait for something to happen: not for ever, and not while the process is to end.</summary>
internal sealed class LongPoll(IHostApplicationLifetime lifetime, TimeProvider time)
{
    // Whoever asks a process that is ending asks again at once, until the grain is elsewhere.
    private static readonly TimeSpan Least = TimeSpan.FromMilliseconds(200);

    /// <summary>Waits for something new.</summary>
    /// <param name="news">Ends when there is.</param>
    /// <param name="atMost">How long.</param>
    public async Task WaitAsync(Task news, TimeSpan atMost)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(lifetime.ApplicationStopping);
        await Task.WhenAny(news, Task.Delay(atMost, time, ended.Token));
        await ended.CancelAsync();
        if (lifetime.ApplicationStopping.IsCancellationRequested)
            await Task.WhenAny(news, Task.Delay(Least, time));
    }
}
