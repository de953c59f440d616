using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>The generators of this process by the names that jobs use.</summary>
/// <param name="services">Where the generators are registered.</param>
/// <param name="options">Which keys, and which other names.</param>
public sealed class VideoModelCatalog(IServiceProvider services, IOptions<VideoServiceOptions> options)
{
    private const string Unnamed = "default";

    /// <summary>The names; the first is the default.</summary>
    public IReadOnlyList<string> Names => options.Value.Models is { Count: > 0 } keys ? [.. keys] : [NameOf(Default())];

    /// <summary>The name of a model by any of its names.</summary>
    /// <param name="name">What a client asks for; <see langword="null"/> is the default.</param>
    /// <exception cref="VideoJobRefusedException">No model has the name.</exception>
    public string Resolve(string? name) => Resolve(name, Names, options.Value.ModelAliases);

    /// <summary>The name of a model among those of this process, or of other machines.</summary>
    internal static string Resolve(string? name, IReadOnlyList<string> names, IDictionary<string, string> aliases)
    {
        var resolved = name is null ? names[0] : aliases.TryGetValue(name, out var alias) ? alias : name;
        return names.Contains(resolved, StringComparer.Ordinal) ? resolved : throw new VideoJobRefusedException(
            VideoJobRefusal.UnknownModel, $"The model '{name}' does not exist here; there is {string.Join(", ", names)}.");
    }

    /// <summary>The generator of a model.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    public IVideoGenerator Generator(string name) =>
        options.Value.Models.Count > 0 ? services.GetRequiredKeyedService<IVideoGenerator>(name) : Default();

    /// <summary>The generator of a model of any machine, where it is here.</summary>
    internal IVideoGenerator? Find(string name) => options.Value.Models.Count > 0 ? services.GetKeyedService<IVideoGenerator>(name)
        : services.GetService<IVideoGenerator>() is { } generator && NameOf(generator) == name ? generator : null;

    private IVideoGenerator Default() => services.GetRequiredService<IVideoGenerator>();

    private static string NameOf(IVideoGenerator generator) =>
        generator.GetService<VideoGeneratorMetadata>()?.DefaultModelId ?? Unnamed;
}
