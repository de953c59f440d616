using System.Collections.Concurrent;

namespace TurboDiffusion.Runtime;

/// <summary>
/// What is made once for each key, by whoever asks first, and kept for the life of the process. Where making it fails, all who wait for it
/// get the error, and it is made again for the next who asks: a full disk or a GPU out of memory does not last.
/// </summary>
/// <param name="make">Makes the value of a key.</param>
internal sealed class OncePerKey<TKey, TValue>(Func<TKey, TValue> make)
    where TKey : notnull
{
    private readonly ConcurrentDictionary<TKey, Lazy<TValue>> _made = new();

    /// <summary>The value of a key.</summary>
    /// <param name="key">The key.</param>
    public TValue Of(TKey key)
    {
        Lazy<TValue> value = _made.GetOrAdd(key, static (k, make) => new Lazy<TValue>(() => make(k)), make);
        try
        {
            return value.Value;
        }
        catch
        {
            _made.TryRemove(new(key, value));
            throw;
        }
    }
}
