namespace TurboDiffusion.Generation;

/// <summary>A part's weights as they are run.</summary>
/// <param name="Bytes">Their size on the device.</param>
/// <param name="Stays">Whether they stay in memory once they are loaded.</param>
/// <param name="IsLoaded">Whether they are in memory.</param>
internal sealed record ModelPart(long Bytes, bool Stays, Func<bool> IsLoaded)
{
    /// <summary>Of a part whose blocks are swapped, their bytes in host memory.</summary>
    public long HostBytes { get; init; }
}
