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
    private readonly VideoMapping _mapping;

    internal VideoGenerationTransformer(ITransformer chain, VideoMapping mapping)
    {
        _chain = chain;
        _mapping = mapping;
    }

    /// <inheritdoc/>
    public bool IsRowToRowMapper => _chain.IsRowToRowMapper;

    /// <inheritdoc/>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => _chain.GetOutputSchema(inputSchema);

    /// <inheritdoc/>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => _chain.GetRowToRowMapper(inputSchema);

    /// <inheritdoc/>
    public IDataView Transform(IDataView input) => _chain.Transform(input);

    /// <summary>
    /// Frees the built-in engine, unless another transformer with the same options uses it; a row that is read afterwards starts it again.
    /// Any other generator is disposed by whoever created it, and goes on to serve what was made from this transformer. A
    /// <c>PredictionEngine</c> disposes the transformer that it is made from, unless it is told not to.
    /// </summary>
    public void Dispose()
    {
        _mapping.Dispose();
        (_chain as IDisposable)?.Dispose();
    }

    /// <inheritdoc/>
    void ICanSaveModel.Save(ModelSaveContext ctx) => _chain.Save(ctx);
}
