namespace TurboDiffusion;

/// <summary>A value that the caller gave (a prompt, a size, a step count, a path) cannot be used.</summary>
public sealed class InvalidRequestException : TurboDiffusionException
{
    /// <summary>Creates the error.</summary>
    /// <param name="parameter">The name of the value at fault, as the caller knows it.</param>
    /// <param name="message">What was found, what was expected, and the remedy.</param>
    /// <param name="innerException">The cause, if another error was behind it.</param>
    public InvalidRequestException(string parameter, string message, Exception? innerException = null)
        : base(message, innerException) => Parameter = parameter;

    /// <summary>The name of the value at fault.</summary>
    public string Parameter { get; }
}
