namespace TurboDiffusion;

/// <summary>A checkpoint file is missing, broken, malicious, or does not hold the model that was expected.</summary>
public sealed class CheckpointException : TurboDiffusionException
{
    /// <summary>Creates the error.</summary>
    /// <param name="path">The file (or folder) at fault.</param>
    /// <param name="reason">What is wrong with it, and the remedy if there is one.</param>
    /// <param name="innerException">The cause, if another error was behind it.</param>
    public CheckpointException(string path, string reason, Exception? innerException = null)
        : base($"{path}: {reason}", innerException)
    {
        Path = path;
        Reason = reason;
    }

    /// <summary>The file (or folder) at fault.</summary>
    public string Path { get; }

    /// <summary>What is wrong with it.</summary>
    public string Reason { get; }
}
