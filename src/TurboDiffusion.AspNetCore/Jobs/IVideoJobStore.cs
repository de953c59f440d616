namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>
/// Keeps the jobs of one machine. What a call has stored outlives the process; each call happens as a whole or not at
/// all, and is an <see cref="EnvironmentException"/> where there is no room for it.
/// </summary>
public interface IVideoJobStore
{
    /// <summary>Adds a job that waits, unless its owner has used its idempotency key before.</summary>
    /// <param name="job">The job.</param>
    /// <param name="maxQueued">Jobs that may wait in all.</param>
    /// <param name="maxOfOwner">Jobs of one owner that may wait or run.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The job, or the earlier one with the same owner and key.</returns>
    /// <exception cref="VideoJobRefusedException">Too many jobs wait.</exception>
    Task<VideoJob> AddAsync(VideoJob job, int maxQueued, int maxOfOwner, CancellationToken cancellationToken = default);

    /// <summary>Finds a job.</summary>
    /// <param name="id">Its name.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    Task<VideoJob?> FindAsync(string id, CancellationToken cancellationToken = default);

    /// <summary>Lists an owner's jobs; see <see cref="IVideoJobs.ListAsync"/>.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="after">List those that come after this job.</param>
    /// <param name="ascending">The oldest first.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    Task<VideoJobPage> ListAsync(
        string owner, int limit, string? after, bool ascending, CancellationToken cancellationToken = default);

    /// <summary>
    /// Takes the next job, which is in progress from now on, in one attempt more: one of the owner who has the fewest in progress, and
    /// among those of who had none for the longest time; of that owner the one that has waited longest.
    /// </summary>
    /// <param name="now">The time.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The job, or <see langword="null"/> where none waits.</returns>
    Task<VideoJob?> TakeAsync(DateTimeOffset now, CancellationToken cancellationToken = default);

    /// <summary>Replaces a job by a newer state.</summary>
    /// <param name="job">The state.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>Whether the job is still there; a deleted one is not added again.</returns>
    Task<bool> UpdateAsync(VideoJob job, CancellationToken cancellationToken = default);

    /// <summary>Removes a job.</summary>
    /// <param name="id">Its name.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>Whether it was there.</returns>
    Task<bool> RemoveAsync(string id, CancellationToken cancellationToken = default);

    /// <summary>Lists the jobs in a state, the oldest first: those in progress, after a restart, were interrupted.</summary>
    /// <param name="status">The state.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    Task<IReadOnlyList<VideoJob>> ListAsync(VideoJobStatus status, CancellationToken cancellationToken = default);

    /// <summary>Counts the jobs in a state.</summary>
    /// <param name="status">The state.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    Task<int> CountAsync(VideoJobStatus status, CancellationToken cancellationToken = default);

    /// <summary>Tells how many jobs are taken until this one is, if none ends and none comes: 1 for the next.</summary>
    /// <param name="id">A job.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>The position, or <see langword="null"/> where the job does not wait.</returns>
    Task<int?> QueuePositionAsync(string id, CancellationToken cancellationToken = default);

    /// <summary>
    /// Lists ended jobs to delete: those that have expired, and the oldest further ones until the files of the rest fit.
    /// </summary>
    /// <param name="now">The time.</param>
    /// <param name="maxBytes">Bytes that the files may have.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    Task<IReadOnlyList<string>> ListDisposableAsync(
        DateTimeOffset now, long maxBytes, CancellationToken cancellationToken = default);
}
