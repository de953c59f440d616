using System.Collections.Concurrent;
using System.Text.Json;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.ML;

/// <summary>
/// The generators of this process by name. A saved ML.NET model holds the name, because ML.NET creates the parts of a
/// loaded model itself and has no way to hand them a service. A name that is not registered means the engine.
/// </summary>
public static class VideoGeneratorRegistry
{
    /// <summary>The name that is used where none is given.</summary>
    public const string DefaultName = "default";

    private static readonly ConcurrentDictionary<string, RegisteredGenerator> Generators = new(StringComparer.Ordinal);
    private static readonly ConcurrentDictionary<string, RegisteredGenerator> Engines = new(StringComparer.Ordinal);

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

    /// <summary>The generator of a name, or the engine, of which each set of options has one for the life of the process.</summary>
    internal static RegisteredGenerator Get(string name, TurboDiffusionOptions engine) =>
        Generators.TryGetValue(name, out var generator)
            ? generator
            : Engines.GetOrAdd(
                JsonSerializer.Serialize(engine),
                _ => new RegisteredGenerator(() => new TurboDiffusionVideoGenerator(engine)));
}
