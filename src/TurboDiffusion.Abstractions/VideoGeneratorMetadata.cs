namespace TurboDiffusion.Extensions.AI;

/// <summary>Describes a generator; obtained through <see cref="IVideoGenerator.GetService"/>.</summary>
/// <param name="providerName">The provider, as <c>gen_ai.provider.name</c> in telemetry.</param>
/// <param name="providerUri">Where the provider is reached; <see langword="null"/> for generation in this process.</param>
/// <param name="defaultModelId">The model that is used where the options name none.</param>
/// <param name="modelVariant">How the model is run, where that changes its videos.</param>
public class VideoGeneratorMetadata(
    string? providerName = null, Uri? providerUri = null, string? defaultModelId = null, string? modelVariant = null)
{
    /// <summary>The provider.</summary>
    public string? ProviderName { get; } = providerName;

    /// <summary>Where the provider is reached.</summary>
    public Uri? ProviderUri { get; } = providerUri;

    /// <summary>The model that is used where the options name none.</summary>
    public string? DefaultModelId { get; } = defaultModelId;

    /// <summary>How the model is run (attention, number format, device), where that changes its videos.</summary>
    public string? ModelVariant { get; } = modelVariant;
}
