using System.Text.Json;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.ML;

/// <summary>
/// The built-in engine, which all transformers with the same options share. It is freed when the last of them is disposed or collected.
/// </summary>
internal sealed class SharedEngine
{
    private static readonly Dictionary<string, SharedEngine> Engines = new(StringComparer.Ordinal);

    private readonly string _key;
    private int _uses;

    private SharedEngine(string key, TurboDiffusionOptions options)
    {
        _key = key;
        Generator = new SerialGenerator(() => new TurboDiffusionVideoGenerator(options));
    }

    /// <summary>How many engines are in use.</summary>
    public static int Count
    {
        get
        {
            lock (Engines)
                return Engines.Count;
        }
    }

    public SerialGenerator Generator { get; }

    /// <summary>Takes part in an engine until the result is disposed, or collected.</summary>
    /// <param name="options">How it is run.</param>
    public static Use Take(TurboDiffusionOptions options)
    {
        var key = JsonSerializer.Serialize(options);
        lock (Engines)
        {
            if (!Engines.TryGetValue(key, out var engine))
                Engines.Add(key, engine = new SharedEngine(key, JsonSerializer.Deserialize<TurboDiffusionOptions>(key)!));
            engine._uses++;
            return new Use(engine);
        }
    }

    private void Release()
    {
        lock (Engines)
        {
            if (--_uses > 0)
                return;

            Engines.Remove(_key);
        }

        Generator.Created?.Dispose();
    }

    /// <summary>One transformer's part in an engine.</summary>
    public sealed class Use(SharedEngine engine) : IDisposable
    {
        private SharedEngine? _engine = engine;

        ~Use() => Interlocked.Exchange(ref _engine, null)?.Release();

        public SerialGenerator Generator => _engine?.Generator ?? throw new ObjectDisposedException(nameof(VideoGenerationTransformer));

        public void Dispose()
        {
            Interlocked.Exchange(ref _engine, null)?.Release();
            GC.SuppressFinalize(this);
        }
    }
}
