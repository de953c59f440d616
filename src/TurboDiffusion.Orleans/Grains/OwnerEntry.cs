namespace TurboDiffusion.Orleans.Grains;

/// <summary>A job in its owner's list.</summary>
/// <param name="Id">The job.</param>
/// <param name="IdempotencyKey">The client's name for it.</param>
/// <param name="ExpiresAt">When it is deleted; known once it has ended.</param>
/// <param name="Bytes">Bytes of its files.</param>
internal sealed record OwnerEntry(string Id, string? IdempotencyKey, DateTimeOffset? ExpiresAt = null, long Bytes = 0);
