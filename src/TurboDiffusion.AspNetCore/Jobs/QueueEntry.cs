namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>A job's place in a queue.</summary>
/// <param name="Id">The job.</param>
/// <param name="Owner">Whose it is.</param>
/// <param name="CreatedAt">Since when it waits.</param>
internal sealed record QueueEntry(string Id, string Owner, DateTimeOffset CreatedAt);
