using Microsoft.ML;
using Microsoft.ML.Data;

namespace TurboDiffusion.ML;

/// <summary>
/// Adds a column of videos. A video is generated when its row is read, and only if its column is asked for; reading a
/// row again generates it again.
/// </summary>
/// <remarks>
/// <c>mlContext.Model.Save</c> saves it, and <c>mlContext.Model.Load</c> gives back an equal chain of ML.NET's own
/// transformers; the process that loads it registers the generator in <see cref="VideoGeneratorRegistry"/>.
/// </remarks>
public sealed class VideoGenerationTransformer : ITransformer, IDisposable
{
    private readonly ITransformer _chain;
    private readonly VideoGenerationSettings _settings;
    private readonly IDisposable? _registration;

    internal VideoGenerationTransformer(ITransformer chain, VideoGenerationSettings settings, IDisposable? registration)
    {
        _chain = chain;
        _settings = settings;
        _registration = registration;
    }

    /// <inheritdoc/>
    public bool IsRowToRowMapper => _chain.IsRowToRowMapper;

    /// <inheritdoc/>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => _chain.GetOutputSchema(inputSchema);

    /// <inheritdoc/>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => _chain.GetRowToRowMapper(inputSchema);

    /// <inheritdoc/>
    public IDataView Transform(IDataView input) => _chain.Transform(input);

    /// <summary>Frees what the transformer holds. A generator is disposed by whoever created it.</summary>
    public void Dispose()
    {
        _settings.Forget();
        _registration?.Dispose();
        (_chain as IDisposable)?.Dispose();
    }

    /// <inheritdoc/>
    void ICanSaveModel.Save(ModelSaveContext ctx) => _chain.Save(ctx);
}
