using System.Globalization;
using Microsoft.Extensions.AI;
using Microsoft.ML.Data;
using TurboDiffusion.Extensions.AI;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.ML;

/// <summary>
/// One row from prompt to video. It is part of the chain of transforms, so all that it holds lives as long as anything that reads them;
/// nothing of it is static. The column names are internal to the chain.
/// </summary>
internal sealed class VideoMapping : IDisposable
{
    public const string Prompt = "__td_Prompt";
    public const string StartImage = "__td_StartImage";
    public const string EndImage = "__td_EndImage";
    public const string Seed = "__td_Seed";
    public const string Settings = "__td_Settings";
    public const string Video = "__td_Video";
    public const string VideoPath = "__td_Path";

    // Part of saved models: a new meaning gets a new number.
    public const string TextContract = "TurboDiffusion.ML.VideoGeneration/1";
    public const string EndImageContract = "TurboDiffusion.ML.FirstLastVideoGeneration/1";
    public const string ImageContract = "TurboDiffusion.ML.ImageVideoGeneration/1";

    private readonly SerialGenerator? _given;
    private readonly VideoGenerationTransformOptions? _options;
    private readonly Lock _state = new();
    private (string Text, VideoGenerationSettings Settings) _parsed = ("", null!);
    private SharedEngine.Use? _engine;

    /// <summary>The mapping of a loaded model, whose columns say all.</summary>
    public VideoMapping()
    {
    }

    /// <summary>The mapping of a transformer of this process.</summary>
    /// <param name="given">The generator that the estimator was given, if it was.</param>
    /// <param name="options">What cannot be saved: progress, cancellation, the factory of raw options.</param>
    public VideoMapping(IVideoGenerator? given, VideoGenerationTransformOptions options)
    {
        _given = given is null ? null : new SerialGenerator(() => given);
        _options = options;
    }

    public void MapText(TextInput input, Output output) => Map(input, Load(input.StartImagePath), null, output);

    public void MapEndImage(EndImageInput input, Output output) =>
        Map(input, Load(input.StartImagePath), Load(input.EndImagePath), output);

    public void MapImage(ImageInput input, Output output) => Map(input, Encode(input.Pixels, SettingsOf(input)), null, output);

    /// <summary>Lets go of the engine. Rows that are read afterwards start it again.</summary>
    public void Dispose()
    {
        lock (_state)
        {
            _engine?.Dispose();
            _engine = null;
        }
    }

    private void Map(Input input, AIContent? startFrame, AIContent? endFrame, Output output)
    {
        var settings = SettingsOf(input);
        var seed = string.IsNullOrEmpty(input.Seed) ? (long?)null : SeedOf(input.Seed);
        var options = (_options?.VideoOptions ?? settings.VideoOptions)?.Clone() ?? new VideoGenerationOptions();
        options.Seed = seed ?? options.Seed;
        options.Count = 1;
        var cancellation = _options?.CancellationToken ?? default;
        // ML.NET has no asynchronous rows.
        var response = Generator(settings)
            .GenerateAsync(
                new VideoGenerationRequest(input.Prompt, startFrame) { EndFrame = endFrame }, options, _options?.Progress, cancellation)
            .GetAwaiter().GetResult();
        if (response.Contents.Count == 0)
            throw new InvalidOperationException($"The video generator '{settings.GeneratorName}' returned no video.");

        var content = response.Contents[0];
        if (settings.WriteFiles && content is DataContent data)
            content = Write(data, settings, cancellation);

        output.Video = new MLVideo(content);
        output.Path = output.Video.Path ?? "";
    }

    private VideoGenerationSettings SettingsOf(Input input)
    {
        // The same text in every row.
        lock (_state)
        {
            if (_parsed.Text != input.Settings)
                _parsed = (input.Settings, VideoGenerationSettings.Parse(input.Settings));
            return _parsed.Settings;
        }
    }

    // A column of numbers comes as they are written, 1e6 too.
    private static long SeedOf(string text) => long.TryParse(text, CultureInfo.InvariantCulture, out var whole) ? whole
        : decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            && number is >= 0 and <= long.MaxValue && decimal.IsInteger(number) ? (long)number
        : throw new InvalidRequestException("seed", $"The seed is {text}; it must be a whole number from 0 to {long.MaxValue}.");

    private SerialGenerator Generator(VideoGenerationSettings settings)
    {
        if (_given is not null)
            return _given;

        if (settings.GeneratorName is null)
        {
            throw new InvalidRequestException(
                "generator",
                "This model was saved with a video generator that was given as an object, which no file can hold. Create the transform "
                    + "with a generator's name instead, and register that name in the process that loads it.");
        }

        if (VideoGeneratorRegistry.Find(settings.GeneratorName) is { } registered)
            return registered;

        lock (_state)
            return (_engine ??= SharedEngine.Take(settings.Engine)).Generator;
    }

    private static AIContent Write(DataContent data, VideoGenerationSettings settings, CancellationToken cancellationToken)
    {
        var path = VideoFile.SaveAsync(data, settings.OutputDirectory, cancellationToken).GetAwaiter().GetResult();
        return new UriContent(new Uri(new Uri(path).AbsoluteUri), data.MediaType)
        {
            AdditionalProperties = data.AdditionalProperties,
        };
    }

    private static DataContent? Load(string path) => string.IsNullOrEmpty(path) ? null : ImageFile.Read(path);

    /// <summary>Encodes pixels <c>[H, W, ABGR]</c>, 0 to 255, as PNG.</summary>
    private static DataContent Encode(byte[] pixels, VideoGenerationSettings settings)
    {
        // From alpha first, which is how ML.NET extracts, to alpha last.
        var rgba = new byte[pixels.Length];
        for (var i = 0; i < pixels.Length; i += 4)
            (rgba[i], rgba[i + 1], rgba[i + 2], rgba[i + 3]) = (pixels[i + 3], pixels[i + 2], pixels[i + 1], pixels[i]);

        // MLImage encodes to files only.
        using var folder = new ScratchFolder("encoding the image of a row");
        var path = Path.Combine(folder.Path, "image.png");
        using var image = MLImage.CreateFromPixels(settings.ImageWidth, settings.ImageHeight, MLPixelFormat.Rgba32, rgba);
        image.Save(path);
        return new DataContent(File.ReadAllBytes(path), "image/png");
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

    public sealed class EndImageInput : Input
    {
        [ColumnName(StartImage)]
        public string StartImagePath { get; set; } = "";

        [ColumnName(EndImage)]
        public string EndImagePath { get; set; } = "";
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
