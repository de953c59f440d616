using System.Collections.Concurrent;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.ML;

/// <summary>
/// The generators of this process by name. A saved ML.NET model holds the name, because ML.NET creates the parts of a
/// loaded model itself and has no way to hand them a service.
/// </summary>
public static class VideoGeneratorRegistry
{
    /// <summary>The name that is used where none is given. Where it is not registered, it means the built-in engine.</summary>
    public const string DefaultName = "default";

    private static readonly ConcurrentDictionary<string, SerialGenerator> Generators = new(StringComparer.Ordinal);

    /// <summary>Registers a generator under a name that is free.</summary>
    /// <param name="name">The name.</param>
    /// <param name="factory">Creates the generator when the first row needs it; called once, and again only after it failed.</param>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    public static void Register(string name, Func<IVideoGenerator> factory)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(factory);
        if (!Generators.TryAdd(name, new SerialGenerator(factory)))
            throw new ArgumentException($"A video generator named '{name}' is registered already; remove it first.", nameof(name));
    }

    /// <summary>Takes a generator out. It is not disposed: whoever created it does that.</summary>
    /// <param name="name">The name.</param>
    /// <returns>Whether there was one.</returns>
    public static bool Remove(string name) => Generators.TryRemove(name, out _);

    /// <summary>The generator of a name; null for the default name where it is not registered.</summary>
    /// <exception cref="InvalidRequestException">Another name is not registered.</exception>
    internal static SerialGenerator? Find(string name) =>
        Generators.TryGetValue(name, out var generator) ? generator
        : name == DefaultName ? null
        : throw new InvalidRequestException(
            "generator",
            $"No video generator named '{name}' is registered in this process. Call "
                + $"{nameof(VideoGeneratorRegistry)}.{nameof(Register)}(\"{name}\", …) before rows are read; only the name "
                + $"'{DefaultName}' stands for the built-in engine.");
}
