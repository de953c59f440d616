using System.Runtime.CompilerServices;

namespace TurboDiffusion.Sampling;

/// <summary>The counter-based random generator Philox4x32 with 10 rounds: a pure function of key and counter.</summary>
/// <remarks>Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 4.</remarks>
internal readonly struct Philox4x32(ulong key)
{
    internal const int Rounds = 10;
    internal const uint MultiplierA = 0xD2511F53, MultiplierB = 0xCD9E8D57;
    internal const uint WeylA = 0x9E3779B9, WeylB = 0xBB67AE85;

    private readonly uint _keyA = (uint)key, _keyB = (uint)(key >> 32);

    /// <summary>The four words of one counter value.</summary>
    /// <param name="low">Counter words 0 and 1.</param>
    /// <param name="high">Counter words 2 and 3.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public (uint W0, uint W1, uint W2, uint W3) Block(ulong low, ulong high)
    {
        uint a = (uint)low, b = (uint)(low >> 32), c = (uint)high, d = (uint)(high >> 32);
        uint keyA = _keyA, keyB = _keyB;
        for (int round = 0; round < Rounds; round++)
        {
            ulong productA = (ulong)MultiplierA * a, productB = (ulong)MultiplierB * c;
            (a, b, c, d) = ((uint)(productB >> 32) ^ b ^ keyA, (uint)productB, (uint)(productA >> 32) ^ d ^ keyB, (uint)productA);
            keyA += WeylA;
            keyB += WeylB;
        }
        return (a, b, c, d);
    }
}
