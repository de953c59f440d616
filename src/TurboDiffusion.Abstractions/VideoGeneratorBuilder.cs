namespace TurboDiffusion.Extensions.AI;

/// <summary>Puts decorators around a generator. The one that is added first becomes the outermost.</summary>
public sealed class VideoGeneratorBuilder
{
    private readonly Func<IServiceProvider, IVideoGenerator> _innerGeneratorFactory;
    private readonly List<Func<IVideoGenerator, IServiceProvider, IVideoGenerator>> _decorators = [];

    /// <summary>Starts from a generator.</summary>
    /// <param name="innerGenerator">The innermost generator.</param>
    /// <exception cref="ArgumentNullException"><paramref name="innerGenerator"/> is <see langword="null"/>.</exception>
    public VideoGeneratorBuilder(IVideoGenerator innerGenerator)
    {
        ArgumentNullException.ThrowIfNull(innerGenerator);
        _innerGeneratorFactory = _ => innerGenerator;
    }

    /// <summary>Starts from a generator that is created when the builder builds.</summary>
    /// <param name="innerGeneratorFactory">Creates the innermost generator.</param>
    /// <exception cref="ArgumentNullException"><paramref name="innerGeneratorFactory"/> is <see langword="null"/>.</exception>
    public VideoGeneratorBuilder(Func<IServiceProvider, IVideoGenerator> innerGeneratorFactory)
    {
        ArgumentNullException.ThrowIfNull(innerGeneratorFactory);
        _innerGeneratorFactory = innerGeneratorFactory;
    }

    /// <summary>Adds a decorator.</summary>
    /// <param name="generatorFactory">Wraps the generator that it is given.</param>
    /// <returns>The builder.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="generatorFactory"/> is <see langword="null"/>.</exception>
    public VideoGeneratorBuilder Use(Func<IVideoGenerator, IVideoGenerator> generatorFactory)
    {
        ArgumentNullException.ThrowIfNull(generatorFactory);
        return Use((inner, _) => generatorFactory(inner));
    }

    /// <summary>Adds a decorator that needs services.</summary>
    /// <param name="generatorFactory">Wraps the generator that it is given.</param>
    /// <returns>The builder.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="generatorFactory"/> is <see langword="null"/>.</exception>
    public VideoGeneratorBuilder Use(Func<IVideoGenerator, IServiceProvider, IVideoGenerator> generatorFactory)
    {
        ArgumentNullException.ThrowIfNull(generatorFactory);
        _decorators.Add(generatorFactory);
        return this;
    }

    /// <summary>Builds the pipeline.</summary>
    /// <param name="services">The services for factories and decorators; <see langword="null"/> offers none.</param>
    /// <returns>The outermost generator.</returns>
    /// <exception cref="InvalidOperationException">A factory returned <see langword="null"/>.</exception>
    public IVideoGenerator Build(IServiceProvider? services = null)
    {
        services ??= EmptyServiceProvider.Instance;
        var generator = _innerGeneratorFactory(services)
            ?? throw new InvalidOperationException(
                "The factory of the innermost video generator returned null; it must return a generator.");

        for (var i = _decorators.Count - 1; i >= 0; i--)
        {
            generator = _decorators[i](generator, services)
                ?? throw new InvalidOperationException(
                    $"The video generator decorator at index {i} returned null; it must return a generator.");
        }

        return generator;
    }
}
