using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.ML;

/// <summary>
/// Adds a column of videos that are generated from a column of prompts, one when its row is read. There is nothing to
/// learn from data: fitting checks the columns.
/// </summary>
/// <remarks>
/// ML.NET lets only its own transforms write models. So this one is a chain of built-in transforms around a custom
/// mapping; its options are a constant text column within that chain.
/// </remarks>
public sealed class VideoGenerationEstimator : IEstimator<VideoGenerationTransformer>
{
    private readonly TransformsCatalog _catalog;
    private readonly VideoGenerationTransformOptions _options;
    private readonly IVideoGenerator? _generator;

    internal VideoGenerationEstimator(
        TransformsCatalog catalog, VideoGenerationTransformOptions options, IVideoGenerator? generator = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(options.InputColumnName);
        ArgumentException.ThrowIfNullOrEmpty(options.OutputColumnName);
        ArgumentException.ThrowIfNullOrEmpty(options.GeneratorName);
        _catalog = catalog;
        _options = options;
        _generator = generator;
    }

    /// <summary>Checks the columns and creates the transformer.</summary>
    /// <param name="input">Data with the columns; no row is read.</param>
    /// <returns>The transformer.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of the wrong type.</exception>
    public VideoGenerationTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var image = Check(name => input.Schema.GetColumnOrNull(name) is { } column ? column.Type : null);
        var mapping = new VideoMapping(_generator, _options);
        return new VideoGenerationTransformer(Chain(mapping, image).Fit(input), mapping);
    }

    /// <summary>Tells the columns after the transform.</summary>
    /// <param name="inputSchema">The columns before it.</param>
    /// <returns>The columns after it.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of the wrong type.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        var image = Check(name =>
        {
            var column = inputSchema.FirstOrDefault(column => column.Name == name);
            return column.Name is null ? null
                : column.Kind == SchemaShape.Column.VectorKind.Scalar ? column.ItemType
                : new VectorDataViewType((PrimitiveDataViewType)column.ItemType);
        });
        using var mapping = new VideoMapping(_generator, _options);
        return Chain(mapping, image).GetOutputSchema(inputSchema);
    }

    /// <summary>Checks the types of the columns; gives that of the start image if it is an image rather than a path.</summary>
    private ImageDataViewType? Check(Func<string, DataViewType?> typeOf)
    {
        Expect(_options.InputColumnName, type => type is TextDataViewType, "String");
        if (_options.SeedColumnName is { } seed)
            Expect(seed, type => type is NumberDataViewType or TextDataViewType, "Int64");

        if (_options.EndImageColumnName is { } end)
        {
            Expect(end, type => type is TextDataViewType, "String");
            if (_options.StartImageColumnName is { } start)
                Expect(start, type => type is TextDataViewType, "String");
        }

        return _options.StartImageColumnName is { } image
            ? Expect(image, type => type is TextDataViewType or ImageDataViewType, "Image or String") as ImageDataViewType
            : null;

        DataViewType Expect(string name, Func<DataViewType, bool> isExpected, string expected)
        {
            // The words are those of ML.NET's own transforms.
            var type = typeOf(name) ?? throw new ArgumentOutOfRangeException(
                "inputSchema", $"Could not find input column '{name}'");
            return isExpected(type) ? type : throw new ArgumentOutOfRangeException(
                "inputSchema", $"Schema mismatch for input column '{name}': expected {expected}, got {type}");
        }
    }

    private IEstimator<ITransformer> Chain(VideoMapping mapping, ImageDataViewType? image)
    {
        var settings = VideoGenerationSettings.Create(_options, _generator is not null, image);
        IEstimator<ITransformer> chain = _catalog.CopyColumns(VideoMapping.Prompt, _options.InputColumnName);
        // A custom mapping, once loaded, takes no images, as their sizes are part of their type; so it gets their pixels.
        chain = _options.StartImageColumnName is not { } startImage ? chain.Append(Constant(VideoMapping.StartImage, ""))
            : image is null ? chain.Append(_catalog.CopyColumns(VideoMapping.StartImage, startImage))
            : chain.Append(_catalog.ExtractPixels(
                VideoMapping.StartImage,
                startImage,
                ImagePixelExtractingEstimator.ColorBits.All,
                ImagePixelExtractingEstimator.ColorsOrder.ABGR,
                interleavePixelColors: true,
                outputAsFloatArray: false));
        if (_options.EndImageColumnName is { } endImage)
            chain = chain.Append(_catalog.CopyColumns(VideoMapping.EndImage, endImage));
        chain = _options.SeedColumnName is { } seed
            ? chain.Append(_catalog.Conversion.ConvertType(VideoMapping.Seed, seed, DataKind.String))
            : chain.Append(Constant(VideoMapping.Seed, ""));
        chain = chain.Append(Constant(VideoMapping.Settings, settings.ToText()));
        chain = _options.EndImageColumnName is not null
            ? chain.Append(_catalog.CustomMapping<VideoMapping.EndImageInput, VideoMapping.Output>(
                mapping.MapEndImage, VideoMapping.EndImageContract))
            : image is null
            ? chain.Append(_catalog.CustomMapping<VideoMapping.TextInput, VideoMapping.Output>(
                mapping.MapText, VideoMapping.TextContract))
            : chain.Append(_catalog.CustomMapping<VideoMapping.ImageInput, VideoMapping.Output>(
                mapping.MapImage, VideoMapping.ImageContract));

        // Schema definitions are not saved with a custom mapping, so its columns keep their names and are copied.
        chain = chain.Append(_catalog.CopyColumns(_options.OutputColumnName, VideoMapping.Video));
        if (_options.PathColumnName is { } path)
            chain = chain.Append(_catalog.CopyColumns(path, VideoMapping.VideoPath));

        string[] inner =
        [
            VideoMapping.Prompt, VideoMapping.StartImage, VideoMapping.Seed, VideoMapping.Settings, VideoMapping.Video,
            VideoMapping.VideoPath, .. _options.EndImageColumnName is null ? (string[])[] : [VideoMapping.EndImage],
        ];
        return chain.Append(_catalog.DropColumns(inner));

        IEstimator<ITransformer> Constant(string name, string value) =>
            _catalog.Expression(name, $"(prompt) => \"{value}\"", VideoMapping.Prompt);
    }
}
