using TurboDiffusion.AspNetCore.Jobs;

namespace TurboDiffusion.Orleans.Grains;

/// <summary>
/// The queue of one model: which job runs next, and whether those that were taken are still being run. It is about order alone; whether
/// a job runs is for the <see cref="IVideoJobGrain"/> to say. Its entries are stored before a job counts as accepted; what it knows of
/// who runs what is not, and comes back by asking the jobs.
/// </summary>
internal interface IModelQueueGrain : IGrainWithStringKey
{
    /// <summary>Adds a job, unless it is there.</summary>
    /// <returns>Whether it is in the queue now; not where <paramref name="maxWaiting"/> jobs wait.</returns>
    Task<bool> EnqueueAsync(QueueEntry entry, int maxWaiting);

    /// <summary>Gives a worker the next job, or none after a while.</summary>
    /// <param name="worker">Who asks.</param>
    /// <param name="isResident">Whether it has the model in memory: jobs go to such workers first.</param>
    Task<QueueEntry?> TakeAsync(string worker, bool isResident);

    /// <summary>Ends what a worker asks: it stops.</summary>
    Task LeaveAsync(string worker);

    /// <summary>Puts a job that was taken back.</summary>
    Task ReturnAsync(string id);

    /// <summary>Removes a job that has ended.</summary>
    /// <param name="id">The job.</param>
    /// <param name="duration">How long its run took, where that tells how long others take.</param>
    Task RemoveAsync(string id, TimeSpan? duration);

    /// <summary>How many jobs are taken until this one is. One that should be here and is not is added.</summary>
    Task<int?> PositionAsync(QueueEntry entry);

    /// <summary>About when a place in the queue comes free.</summary>
    Task<TimeSpan> TypicalDurationAsync();
}
