namespace TurboDiffusion.Checkpoints;

/// <summary>Brings pieces of files to their addresses; used by one thread.</summary>
internal unsafe interface IPieceReader : IDisposable
{
    /// <summary>Whether a piece is at its address when <see cref="Read"/> returns; else after <see cref="Complete"/>.</summary>
    bool IsImmediate { get; }

    /// <summary>Reads a piece.</summary>
    /// <param name="source">The tensor in its file.</param>
    /// <param name="offset">Bytes from its first value.</param>
    /// <param name="bytes">How many.</param>
    /// <param name="target">Where they go, on the device of the tensor.</param>
    void Read(TensorLocation source, long offset, int bytes, byte* target);

    /// <summary>Waits until every piece is at its address.</summary>
    void Complete();
}
