namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>
/// Takes jobs, runs them and tells of them. The endpoints know nothing else: behind it is one machine
/// (<see cref="LocalVideoJobs"/>) or many.
/// </summary>
/// <remarks>Safe for concurrent use. A job of another owner is as good as none.</remarks>
public interface IVideoJobs
{
    /// <summary>The models that jobs can name; the first is the default.</summary>
    /// <param name="cancellationToken">Ends the call.</param>
    Task<IReadOnlyList<string>> ListModelsAsync(CancellationToken cancellationToken = default);

    /// <summary>Accepts a job. When the call returns, the job is stored and outlives the process.</summary>
    /// <param name="submission">Who asks for what.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The job; an earlier one where the owner has used the idempotency key before.</returns>
    /// <exception cref="VideoJobRefusedException">It was not accepted.</exception>
    /// <exception cref="InvalidRequestException">The model cannot make what is asked for.</exception>
    Task<VideoJob> SubmitAsync(VideoJobSubmission submission, CancellationToken cancellationToken = default);

    /// <summary>Finds a job.</summary>
    /// <param name="owner">Who asks.</param>
    /// <param name="id">The job.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The job with its progress, or <see langword="null"/>.</returns>
    Task<VideoJob?> FindAsync(string owner, string id, CancellationToken cancellationToken = default);

    /// <summary>Lists an owner's jobs in the order in which they were accepted.</summary>
    /// <param name="owner">Who asks.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="after">List those that come after this job; <see langword="null"/> begins at the first.</param>
    /// <param name="ascending">The oldest first.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The jobs; none where <paramref name="after"/> names no job of the owner.</returns>
    Task<VideoJobPage> ListAsync(
        string owner, int limit, string? after = null, bool ascending = false, CancellationToken cancellationToken = default);

    /// <summary>Deletes a job and its files. One that runs is cancelled: its generator stops within one block.</summary>
    /// <param name="owner">Who asks.</param>
    /// <param name="id">The job.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>Whether there was such a job.</returns>
    Task<bool> DeleteAsync(string owner, string id, CancellationToken cancellationToken = default);

    /// <summary>
    /// Tells how a job goes on: at once how it stands, then each change and, at the latest every few seconds, a sign of
    /// life. The last event is of a job that has ended; where the job is deleted, the events end without that.
    /// </summary>
    /// <param name="owner">Who asks.</param>
    /// <param name="id">The job.</param>
    /// <param name="cancellationToken">Ends the watching, not the job.</param>
    /// <returns>The events; none where there is no such job. A watcher that is slow misses some, never the last.</returns>
    IAsyncEnumerable<VideoJobEvent> WatchAsync(string owner, string id, CancellationToken cancellationToken = default);
}
