using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Text.Json.Nodes;
using Microsoft.SemanticKernel;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.SemanticKernel;

/// <summary>
/// Video generation as functions that a model can call on its own: <c>generate_video</c> and, where a folder of images is allowed,
/// <c>animate_image</c>. Nothing but the folders in the options can be read, and nothing is overwritten.
/// </summary>
/// <remarks>
/// A function's value is a <see cref="VideoGenerationFunctionResult"/>, which a prompt template shows as the video's address or the error.
/// Its metadata holds the <see cref="VideoInfo"/> under <see cref="VideoInfoKey"/>.
/// </remarks>
public static class VideoGenerationPlugin
{
    /// <summary>The key of the <see cref="VideoInfo"/> in <see cref="FunctionResult.Metadata"/>.</summary>
    public const string VideoInfoKey = nameof(VideoInfo);

    /// <summary>Creates the plugin.</summary>
    /// <param name="generator">Generates the videos; not disposed with the plugin.</param>
    /// <param name="options">What a model may do.</param>
    /// <param name="pluginName">The name of the plugin.</param>
    /// <returns>The plugin.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="generator"/> is <see langword="null"/>.</exception>
    public static KernelPlugin Create(IVideoGenerator generator, VideoGenerationFunctionOptions? options = null,
        string pluginName = "Video")
    {
        options ??= new VideoGenerationFunctionOptions();
        var methods = new Methods(new VideoGenerationFunctions(generator, options));
        var functions = new List<KernelFunction> { Create(methods.GenerateVideoAsync, ToolText.GenerateVideoName, ToolText.GenerateVideo) };
        if (options.AllowedInputFolders.Count > 0)
            functions.Add(Create(methods.AnimateImageAsync, ToolText.AnimateImageName, ToolText.AnimateImage));

        return KernelPluginFactory.CreateFromFunctions(pluginName, "Generates short videos on this machine.", functions);
    }

    private static KernelFunction Create(Delegate method, string name, string description) => KernelFunctionFactory.CreateFromMethod(
        method,
        new KernelFunctionFromMethodOptions
        {
            FunctionName = name,
            Description = description,
            Parameters = Parameters(method),
            ReturnParameter = new KernelReturnParameterMetadata
            {
                Description = ToolText.Result,
                ParameterType = typeof(VideoGenerationFunctionResult),
                Schema = ResultSchema(),
            },
        });

    // Semantic Kernel's own schemas do not say which values are allowed.
    private static List<KernelParameterMetadata> Parameters(Delegate method)
    {
        var allowed = method.Method.GetParameters().ToDictionary(
            parameter => parameter.Name!, parameter => parameter.GetCustomAttribute<AllowedValuesAttribute>()?.Values);
        var parameters = KernelFunctionFactory.CreateFromMethod(method).Metadata.Parameters;
        return [.. parameters.Select(parameter => allowed[parameter.Name] is { } values
            ? new KernelParameterMetadata(parameter)
            {
                Schema = KernelJsonSchema.Parse(
                    new JsonObject
                    {
                        ["type"] = "string",
                        ["description"] = parameter.Description,
                        ["enum"] = new JsonArray([.. values.Select(value => JsonValue.Create((string?)value))]),
                    }.ToJsonString()),
            }
            : parameter)];
    }

    // The schema that a parameter of the result's type would have.
    private static KernelJsonSchema? ResultSchema() => KernelFunctionFactory
        .CreateFromMethod(() => new VideoGenerationFunctionResult(), "schema").Metadata.ReturnParameter.Schema;

    private sealed class Methods(VideoGenerationFunctions functions)
    {
        public async Task<FunctionResult> GenerateVideoAsync(
            KernelFunction function,
            [Description(ToolText.Prompt)] string prompt,
            [Description(ToolText.AspectRatio), AspectRatios] string? aspectRatio = null,
            [Description(ToolText.Duration)] double? durationSeconds = null,
            [Description(ToolText.Seed)] long? seed = null,
            CancellationToken cancellationToken = default) => Result(
                function,
                await functions.GenerateVideoAsync(prompt, aspectRatio, durationSeconds, seed, cancellationToken).ConfigureAwait(false));

        public async Task<FunctionResult> AnimateImageAsync(
            KernelFunction function,
            [Description(ToolText.ImagePath)] string imagePath,
            [Description(ToolText.Motion)] string prompt,
            [Description(ToolText.EndImagePath)] string? endImagePath = null,
            [Description(ToolText.Duration)] double? durationSeconds = null,
            [Description(ToolText.Seed)] long? seed = null,
            CancellationToken cancellationToken = default) => Result(
                function,
                await functions.AnimateImageAsync(imagePath, prompt, endImagePath, durationSeconds, seed, cancellationToken)
                    .ConfigureAwait(false));

        private static FunctionResult Result(KernelFunction function, VideoGenerationFunctionResult result) => new(
            function,
            result,
            metadata: result.Info is { } info ? new Dictionary<string, object?> { [VideoInfoKey] = info } : null);
    }
}
