namespace TurboDiffusion.Orleans;

/// <summary>
/// Calls to grains while machines and Redis come and go: what fails is tried again. Every call of the cluster may be repeated.
/// </summary>
internal static class ClusterCalls
{
    private static readonly TimeSpan FirstWait = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(2);

    /// <summary>Calls until there is an answer.</summary>
    /// <param name="call">The call.</param>
    /// <param name="time">Tells the time.</param>
    /// <param name="patience">After that, the last error is thrown; <see langword="null"/> never gives up.</param>
    /// <param name="cancellationToken">Ends the trying.</param>
    public static async Task<T> RetryAsync<T>(
        Func<Task<T>> call, TimeProvider time, TimeSpan? patience, CancellationToken cancellationToken)
    {
        var begin = time.GetTimestamp();
        for (var wait = FirstWait; ; wait = wait * 2 < LongestWait ? wait * 2 : LongestWait)
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                return await call().WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (Exception) when (!cancellationToken.IsCancellationRequested
                && (patience is null || time.GetElapsedTime(begin) + wait < patience))
            {
                await Task.Delay(wait, time, cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
