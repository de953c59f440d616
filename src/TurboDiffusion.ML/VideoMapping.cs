using System.Globalization;
using Microsoft.Extensions.AI;
using Microsoft.ML.Data;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.ML;

/// <summary>One row from prompt to video. The column names are internal to the chain of transforms around it.</summary>
internal static class VideoMapping
{
    public const string Prompt = "__td_Prompt";
    public const string StartImage = "__td_StartImage";
    public const string Seed = "__td_Seed";
    public const string Settings = "__td_Settings";
    public const string Video = "__td_Video";
    public const string VideoPath = "__td_Path";

    // Part of saved models: a new meaning gets a new number.
    public const string TextContract = "TurboDiffusion.ML.VideoGeneration/1";
    public const string ImageContract = "TurboDiffusion.ML.ImageVideoGeneration/1";

    public static void MapText(TextInput input, Output output) => Map(
        input,
        string.IsNullOrEmpty(input.StartImagePath)
            ? null
            : DataContent.LoadFromAsync(input.StartImagePath).AsTask().GetAwaiter().GetResult(),
        output);

    public static void MapImage(ImageInput input, Output output) => Map(
        input, Encode(input.Pixels, VideoGenerationSettings.Parse(input.Settings)), output);

    private static void Map(Input input, AIContent? startFrame, Output output)
    {
        var settings = VideoGenerationSettings.Parse(input.Settings);
        var seed = string.IsNullOrEmpty(input.Seed) ? (long?)null
            : long.TryParse(input.Seed, CultureInfo.InvariantCulture, out var whole) ? whole
            : (long)double.Parse(input.Seed, CultureInfo.InvariantCulture);
        // ML.NET has no asynchronous rows.
        var response = VideoGeneratorRegistry.Get(settings.GeneratorName, settings.Engine)
            .GenerateAsync(
                new VideoGenerationRequest(input.Prompt, startFrame),
                settings.RowOptions(seed),
                settings.Progress,
                settings.CancellationToken)
            .GetAwaiter().GetResult();
        if (response.Contents.Count == 0)
            throw new InvalidOperationException($"The video generator '{settings.GeneratorName}' returned no video.");

        var content = response.Contents[0];
        if (settings.WriteFiles && content is DataContent data)
            content = Write(data, settings);

        output.Video = new MLVideo(content);
        output.Path = output.Video.Path ?? "";
    }

    private static AIContent Write(DataContent data, VideoGenerationSettings settings)
    {
        var path = VideoFile.SaveAsync(data, settings.OutputDirectory, settings.CancellationToken).GetAwaiter().GetResult();
        return new UriContent(new Uri(new Uri(path).AbsoluteUri), data.MediaType)
        {
            AdditionalProperties = data.AdditionalProperties,
        };
    }

    /// <summary>Encodes pixels <c>[H, W, ABGR]</c>, 0 to 255, as PNG.</summary>
    private static DataContent Encode(byte[] pixels, VideoGenerationSettings settings)
    {
        // From alpha first, which is how ML.NET extracts, to alpha last.
        var rgba = new byte[pixels.Length];
        for (var i = 0; i < pixels.Length; i += 4)
            (rgba[i], rgba[i + 1], rgba[i + 2], rgba[i + 3]) = (pixels[i + 3], pixels[i + 2], pixels[i + 1], pixels[i]);

        var path = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.png");
        try
        {
            using var image = MLImage.CreateFromPixels(settings.ImageWidth, settings.ImageHeight, MLPixelFormat.Rgba32, rgba);
            // MLImage encodes to files only.
            image.Save(path);
            return new DataContent(File.ReadAllBytes(path), "image/png");
        }
        finally
        {
            File.Delete(path);
        }
    }

    public abstract class Input
    {
        [ColumnName(VideoMapping.Prompt)]
        public string Prompt { get; set; } = "";

        [ColumnName(VideoMapping.Seed)]
        public string Seed { get; set; } = "";

        [ColumnName(VideoMapping.Settings)]
        public string Settings { get; set; } = "";
    }

    public sealed class TextInput : Input
    {
        [ColumnName(StartImage)]
        public string StartImagePath { get; set; } = "";
    }

    public sealed class ImageInput : Input
    {
        // The attribute wants a length; vectors of every length are accepted.
        [ColumnName(StartImage)]
        [VectorType(1)]
        public byte[] Pixels { get; set; } = [];
    }

    public sealed class Output
    {
        [ColumnName(VideoMapping.Video)]
        [VideoType]
        public MLVideo? Video { get; set; }

        [ColumnName(VideoPath)]
        public string Path { get; set; } = "";
    }
}
