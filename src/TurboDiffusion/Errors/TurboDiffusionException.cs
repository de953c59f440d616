namespace TurboDiffusion;

/// <summary>
/// Base of every error that this library raises on purpose. The message names the thing, what was found, what was
/// expected and the remedy, and is fit to be shown to a user as it is.
/// </summary>
public abstract class TurboDiffusionException : Exception
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">One clear sentence for the user.</param>
    /// <param name="innerException">The cause, if another error was behind it.</param>
    protected TurboDiffusionException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
