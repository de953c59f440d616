namespace TurboDiffusion.Extensions.AI;

/// <summary>How finished videos are returned.</summary>
public enum VideoGenerationResponseFormat
{
    /// <summary>As a <see cref="Microsoft.Extensions.AI.UriContent"/> that names the written file.</summary>
    Uri,

    /// <summary>As a <see cref="Microsoft.Extensions.AI.DataContent"/> with the bytes of the file.</summary>
    Data,
}
