namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>A job's place in a queue.</summary>
/// <param name="Id">The job.</param>
/// <param name="Owner">Whose it is.</param>
internal sealed record QueueEntry(string Id, string Owner);
