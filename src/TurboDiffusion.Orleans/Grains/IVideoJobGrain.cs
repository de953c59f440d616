using Orleans.Concurrency;
using TurboDiffusion.AspNetCore.Jobs;

namespace TurboDiffusion.Orleans.Grains;

/// <summary>
/// One job, and the only place that decides about it: who runs it, until when, and which result counts. A run has a number
/// (<see cref="VideoJob.Attempts"/>), and what comes of any but the last is refused. Calls may be repeated.
/// </summary>
internal interface IVideoJobGrain : IGrainWithStringKey
{
    /// <summary>Stores a new job.</summary>
    Task CreateAsync(VideoJob job);

    /// <summary>
    /// Deletes what was stored for a job that never was; until it leaves memory, none is created any more. For when no answer can come.
    /// </summary>
    /// <returns>Whether there is no job.</returns>
    Task<bool> ClearAsync();

    /// <summary>The job with its progress, or <see langword="null"/>.</summary>
    [AlwaysInterleave]
    Task<VideoJob?> FindAsync();

    /// <summary>Waits until something is new, or for a few seconds.</summary>
    /// <param name="seen">The last version seen; 0 for none.</param>
    [AlwaysInterleave]
    Task<JobNews> WatchAsync(long seen);

    /// <summary>Begins a run, with a lease that <see cref="KeepAsync"/> renews.</summary>
    /// <param name="run">Names the run; the same name gives the same run.</param>
    /// <returns>The job with its attempt's number; <see langword="null"/> where it is not to be run now.</returns>
    Task<VideoJob?> BeginAsync(string run);

    /// <summary>Renews a run's lease, and waits while the run may go on, for a third of it at most.</summary>
    /// <returns>Whether it may go on: not where the job was deleted or has another run.</returns>
    [AlwaysInterleave]
    Task<bool> KeepAsync(int attempt);

    /// <summary>Tells how far a run has come; renews its lease.</summary>
    [AlwaysInterleave]
    Task ReportAsync(int attempt, VideoJobProgress progress, byte[][] previews);

    /// <summary>Ends a run with its result, which is published if the run is the job's last.</summary>
    Task<Publication> EndAsync(VideoJob ended);

    /// <summary>Ends a run without a result: the job waits again, or goes where it was deleted.</summary>
    Task ReleaseAsync(int attempt);

    /// <summary>Deletes the job with its files; one that runs goes when its worker has stopped or its lease has ended.</summary>
    /// <returns>Whether there was one.</returns>
    Task<bool> DeleteAsync();

    /// <summary>How it stands; a run whose lease has ended is over.</summary>
    Task<JobStanding> StandingAsync();
}
