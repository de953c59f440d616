namespace TurboDiffusion.Extensions.AI;

/// <summary>Describes a generator; obtained through <see cref="IVideoGenerator.GetService"/>.</summary>
/// <param name="providerName">The provider, as <c>gen_ai.provider.name</c> in telemetry.</param>
/// <param name="providerUri">Where the provider is reached; <see langword="null"/> for generation in this process.</param>
/// <param name="defaultModelId">The model that is used where the options name none.</param>
/// <param name="outputDirectory">
/// The folder that videos are written to; <see langword="null"/> for a generator that writes no files.
/// </param>
public class VideoGeneratorMetadata(
    string? providerName = null, Uri? providerUri = null, string? defaultModelId = null, string? outputDirectory = null)
{
    /// <summary>The provider.</summary>
    public string? ProviderName { get; } = providerName;

    /// <summary>Where the provider is reached.</summary>
    public Uri? ProviderUri { get; } = providerUri;

    /// <summary>The model that is used where the options name none; the same name as in its responses.</summary>
    public string? DefaultModelId { get; } = defaultModelId;

    /// <summary>The full path of the folder that videos are written to, unless the request names a file.</summary>
    public string? OutputDirectory { get; } = outputDirectory;
}
