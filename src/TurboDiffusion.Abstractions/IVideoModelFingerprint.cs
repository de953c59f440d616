namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// Tells models apart that have the same name: other weights, or the same ones run in another way. A service of generators that run a
/// model themselves, obtained through <see cref="IVideoGenerator.GetService"/>.
/// </summary>
public interface IVideoModelFingerprint
{
    /// <summary>A digest of everything about the model that shapes its videos: the weights, the settings, how it is run.</summary>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>Text that is the same for two generators only if they make the same video from the same request and seed.</returns>
    ValueTask<string> GetFingerprintAsync(CancellationToken cancellationToken = default);
}
