using System.Collections.Concurrent;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.ML;

/// <summary>
/// The generators of this process by name. A saved ML.NET model holds the name only: ML.NET creates the parts of a
/// loaded model itself and has no way to hand them a service.
/// </summary>
public static class VideoGeneratorRegistry
{
    /// <summary>The name that is used where none is given.</summary>
    public const string DefaultName = "default";

    private static readonly ConcurrentDictionary<string, RegisteredGenerator> Generators = new(StringComparer.Ordinal);

    /// <summary>Registers a generator under a name that is free.</summary>
    /// <param name="name">The name.</param>
    /// <param name="factory">Creates the generator when the first row needs it; called once.</param>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    public static void Register(string name, Func<IVideoGenerator> factory)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(factory);
        if (!Generators.TryAdd(name, new RegisteredGenerator(factory)))
            throw new ArgumentException($"A video generator named '{name}' is registered already; remove it first.", nameof(name));
    }

    /// <summary>Takes a generator out. It is not disposed: whoever created it does that.</summary>
    /// <param name="name">The name.</param>
    /// <returns>Whether there was one.</returns>
    public static bool Remove(string name) => Generators.TryRemove(name, out _);

    internal static RegisteredGenerator Get(string name) =>
        Generators.TryGetValue(name, out var generator)
            ? generator
            : throw new InvalidOperationException(
                $"The ML.NET model needs a video generator named '{name}', and none is registered. Call {nameof(VideoGeneratorRegistry)}.{nameof(Register)}(\"{name}\", …) first.");
}
