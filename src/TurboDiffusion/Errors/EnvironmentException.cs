namespace TurboDiffusion;

/// <summary>The machine lacks something that the request needs: ffmpeg, a GPU, libtorch, a driver, a folder.</summary>
public sealed class EnvironmentException : TurboDiffusionException
{
    /// <summary>Creates the error.</summary>
    /// <param name="dependency">What is missing or unfit: <c>ffmpeg</c>, <c>cuda</c>, <c>libtorch</c>, …</param>
    /// <param name="message">What was looked for, what was found, and the remedy.</param>
    /// <param name="innerException">The cause, if another error was behind it.</param>
    public EnvironmentException(string dependency, string message, Exception? innerException = null)
        : base(message, innerException) => Dependency = dependency;

    /// <summary>What is missing or unfit.</summary>
    public string Dependency { get; }
}
