using System.Runtime.CompilerServices;

namespace TurboDiffusion.Cli;

/// <summary>What a user is told of an error, in one line.</summary>
internal static class ErrorMessage
{
    /// <summary>The message of the library's own errors as it is; others are told apart as far as a user can act on them.</summary>
    /// <param name="error">Any error.</param>
    public static string Of(Exception error) =>
        // The engine's libraries could not be loaded, so that none of its types can be used, not even here.
        error is TypeInitializationException { TypeName: "<Module>", InnerException: { } cause } ? OneLine(cause) : OfEngine(error);

    /// <summary>The first line of a message, ended by a full stop.</summary>
    /// <param name="error">Any error.</param>
    public static string OneLine(Exception error)
    {
        string line = error.Message.Split('\n', 2)[0].Trim();
        return line.EndsWith('.') ? line : line + ".";
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static string OfEngine(Exception error)
    {
        // Native libraries load in static constructors, which wrap what goes wrong.
        Exception[] chain = [.. Chain(error)];
        if (chain.OfType<TurboDiffusionException>().FirstOrDefault() is { } known) return known.Message;
        if (chain.Any(e => e is DllNotFoundException || e is TypeInitializationException { TypeName: "TorchSharp.torch" }))
            return $"libtorch does not load: {OneLine(chain[^1])} Run turbodiffusion doctor.";
        return $"{OneLine(error)} ({error.GetType().Name}; run again with --verbose for the details)";
    }

    private static IEnumerable<Exception> Chain(Exception? error)
    {
        for (; error is not null; error = error.InnerException) yield return error;
    }
}
