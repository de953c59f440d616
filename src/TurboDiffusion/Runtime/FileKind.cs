namespace TurboDiffusion.Runtime;

/// <summary>What a path can lead to. The values are those of <c>st_mode</c>.</summary>
internal enum FileKind
{
    /// <summary>A named pipe.</summary>
    Pipe = 0x1000,

    /// <summary>A device that is read byte by byte, such as /dev/zero.</summary>
    CharacterDevice = 0x2000,

    /// <summary>A folder.</summary>
    Folder = 0x4000,

    /// <summary>A device that is read by blocks, such as a disk.</summary>
    BlockDevice = 0x6000,

    /// <summary>A file with content and an end.</summary>
    Regular = 0x8000,

    /// <summary>A socket.</summary>
    Socket = 0xc000,
}
