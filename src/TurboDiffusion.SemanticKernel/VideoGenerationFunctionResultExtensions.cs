using Microsoft.SemanticKernel;
using TurboDiffusion.Extensions.AI;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.SemanticKernel;

/// <summary>Turns function results into content of Semantic Kernel.</summary>
public static class VideoGenerationFunctionResultExtensions
{
    /// <summary>Reads the video that a function result refers to.</summary>
    /// <param name="result">A result of <see cref="VideoGenerationPlugin"/>.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>The bytes with their media type; <see cref="BinaryContent.Uri"/> refers to the file.</returns>
    /// <exception cref="ArgumentException">The result is an error, or refers to no file.</exception>
    /// <exception cref="IOException">The file is gone, or is no regular file.</exception>
    public static async Task<BinaryContent> ToBinaryContentAsync(
        this VideoGenerationFunctionResult result, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(result);
        if (!Uri.TryCreate(result.VideoUri, UriKind.Absolute, out var uri) || !uri.IsFile)
            throw new ArgumentException($"The result refers to no video file. {result.Error}", nameof(result));

        var bytes = await Task.Run(() => InputFile.ReadBytes(uri.LocalPath, Array.MaxLength), cancellationToken).ConfigureAwait(false);
        return new BinaryContent(bytes, result.MediaType) { Uri = uri };
    }
}
