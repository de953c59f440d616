namespace TurboDiffusion.Extensions.AI;

/// <summary>Sets the knobs of the TurboDiffusion engine on a request.</summary>
public static class TurboDiffusionRequestExtensions
{
    /// <summary>Sets knobs of this engine: <c>options.WithTurboDiffusion(o => o.Steps = 4)</c>. Other generators do not see them.</summary>
    /// <param name="options">The options of the request.</param>
    /// <param name="configure">Sets the knobs, after what was set before; it runs when a request is made.</param>
    /// <returns><paramref name="options"/>.</returns>
    /// <exception cref="ArgumentNullException">An argument is <see langword="null"/>.</exception>
    public static VideoGenerationOptions WithTurboDiffusion(this VideoGenerationOptions options,
        Action<TurboDiffusionRequestOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(configure);
        var before = options.RawRepresentationFactory;
        options.RawRepresentationFactory = generator =>
        {
            switch (before?.Invoke(generator))
            {
                case null:
                    var created = new TurboDiffusionRequestOptions();
                    configure(created);
                    return created;
                case TurboDiffusionRequestOptions own:
                    // The caller may hand out the same object each time.
                    var copy = own.Clone();
                    configure(copy);
                    return copy;
                case var foreign:
                    // Of another generator, which this one will refuse with the reason.
                    return foreign;
            }
        };
        return options;
    }
}
