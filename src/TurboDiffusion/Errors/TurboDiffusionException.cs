namespace TurboDiffusion;

/// <summary>
/// Base of every error that this library raises on purpose. The message names the thing, what was found, what was
/// expected and the remedy, and is fit to be shown to a user as it is.
/// </summary>
public abstract class TurboDiffusionException : Exception
{
    private const int Longest = 2000;

    /// <summary>Creates the error.</summary>
    /// <param name="message">One clear sentence for the user.</param>
    /// <param name="innerException">The cause, if another error was behind it.</param>
    protected TurboDiffusionException(string message, Exception? innerException = null)
        : base(Bounded(message), innerException)
    {
    }

    // What a file holds may be quoted at any depth: a message stays one that fits a screen, with its beginning and the remedy at its
    // end, and without characters that would move a terminal's cursor.
    private static string Bounded(string message)
    {
        string text = message.Length <= Longest ? message : $"{message[..(Longest / 2)]} … {message[^(Longest / 2)..]}";
        return text.Any(IsUnfit) ? string.Concat(text.Select(c => IsUnfit(c) ? '?' : c)) : text;
    }

    private static bool IsUnfit(char c) => char.IsControl(c) && c is not ('\n' or '\t');
}
