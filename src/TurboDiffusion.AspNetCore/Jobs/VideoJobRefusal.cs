namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>Why a job was not accepted.</summary>
public enum VideoJobRefusal
{
    /// <summary>No model has the name.</summary>
    UnknownModel,

    /// <summary>As many jobs wait as may; try again later.</summary>
    QueueFull,

    /// <summary>As many jobs of this owner wait or run as may; try again later.</summary>
    OwnerQueueFull,

    /// <summary>The idempotency key was used for another request.</summary>
    IdempotencyKeyReused,

    /// <summary>The machines that keep jobs do not answer; try again later.</summary>
    Unavailable,
}
