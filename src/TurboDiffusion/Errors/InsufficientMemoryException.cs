namespace TurboDiffusion;

/// <summary>The device has too little memory for the model or the video that was asked for.</summary>
public sealed class InsufficientMemoryException : TurboDiffusionException
{
    /// <summary>Creates the error.</summary>
    /// <param name="purpose">What the memory is for.</param>
    /// <param name="neededBytes">Bytes needed, estimated.</param>
    /// <param name="availableBytes">Bytes available.</param>
    /// <param name="remedy">What the user can do.</param>
    public InsufficientMemoryException(string purpose, long neededBytes, long availableBytes, string remedy)
        : base($"{purpose} needs about {Gib(neededBytes)} of memory, and {Gib(availableBytes)} is available. {remedy}")
    {
        NeededBytes = neededBytes;
        AvailableBytes = availableBytes;
    }

    /// <summary>Bytes needed, estimated.</summary>
    public long NeededBytes { get; }

    /// <summary>Bytes available.</summary>
    public long AvailableBytes { get; }

    private static string Gib(long bytes) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 30):0.0} GiB");
}
