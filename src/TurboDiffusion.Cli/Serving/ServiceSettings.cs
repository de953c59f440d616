using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Cli.Serving;

/// <summary>The settings file of <c>serve</c>.</summary>
internal static class ServiceSettings
{
    /// <summary>The section of the engine.</summary>
    public const string Engine = "TurboDiffusion";

    /// <summary>The section of what is accepted and kept.</summary>
    public const string Service = "VideoService";

    /// <summary>The section of the object store; where it is missing, videos are in the data folder.</summary>
    public const string Files = "VideoFiles";

    /// <summary>The section of the cluster.</summary>
    public const string Cluster = "VideoCluster";

    // What reads its settings from the configuration: our sections, and those of the host.
    private static readonly string[] Sections = [Engine, Service, Files, Cluster, "Logging", "Kestrel", "AllowedHosts"];

    /// <summary>Adds its values to a configuration.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="path">A JSON file; comments and trailing commas are allowed.</param>
    /// <exception cref="InvalidRequestException">It cannot be read, is not such a file, or has a section that nothing reads.</exception>
    public static void Add(ConfigurationManager configuration, string path)
    {
        try
        {
            byte[] json = Encoding.UTF8.GetBytes(InputFile.ReadText(path, JsonFile.MaxBytes));
            configuration.AddJsonStream(new MemoryStream(json));
            using JsonDocument document = JsonDocument.Parse(json,
                new JsonDocumentOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip });
            // A section of another name would be settings that count for nothing: API keys that are not asked for.
            string? unknown = document.RootElement.EnumerateObject().Select(section => section.Name.Split(':')[0])
                .FirstOrDefault(name => !Sections.Contains(name, StringComparer.OrdinalIgnoreCase));
            if (unknown is null) return;
            string? near = ArgumentCheck.Nearest(unknown, Sections);
            throw new InvalidRequestException("settings",
                $"The settings {path} have a section {ArgumentCheck.Shown(unknown)}, which nothing reads."
                    + (near is null ? $" There are {string.Join(", ", Sections)}." : $" Did you mean {near}?"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or FormatException)
        {
            throw new InvalidRequestException("settings", $"The settings {path} cannot be read: {ErrorMessage.OneLine(e)}", e);
        }
    }
}
