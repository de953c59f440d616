namespace TurboDiffusion.Extensions.AI;

/// <summary>How finished videos are returned.</summary>
public enum VideoGenerationResponseFormat
{
    /// <summary>As a <see cref="Microsoft.Extensions.AI.UriContent"/> that names the written file.</summary>
    Uri,

    /// <summary>As a <see cref="Microsoft.Extensions.AI.DataContent"/> with the bytes of the file.</summary>
    Data,

    /// <summary>
    /// As a <see cref="Microsoft.Extensions.AI.HostedFileContent"/> that names the file at the provider. For services that keep their
    /// videos; a generator in this process has none to name.
    /// </summary>
    Hosted,
}
