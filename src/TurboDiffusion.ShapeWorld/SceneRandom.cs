namespace TurboDiffusion.ShapeWorld;

/// <summary>SplitMix64: the same numbers on every machine and runtime, which <see cref="Random"/> does not promise.</summary>
internal sealed class SceneRandom(ulong seed)
{
    private ulong _state = seed;

    /// <summary>A generator for one purpose; different purposes of one seed are independent.</summary>
    public static SceneRandom For(int seed, ulong purpose) => new(Mix((uint)seed + (purpose << 32)));

    public static ulong Mix(ulong x)
    {
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }

    /// <summary>0 ≤ number &lt; count.</summary>
    public int Next(int count) => (int)((Bits() >> 32) * (ulong)count >> 32);

    /// <summary>low ≤ number &lt; high.</summary>
    public float Next(float low, float high) => low + (high - low) * ((Bits() >> 40) * (1f / (1 << 24)));

    public bool Chance(float probability) => Next(0f, 1f) < probability;

    public T Of<T>(IReadOnlyList<T> values) => values[Next(values.Count)];

    private ulong Bits() => Mix(_state += 0x9E3779B97F4A7C15);
}
