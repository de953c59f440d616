using System.Text.Json;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Training.Data;

/// <summary>Which videos of a folder are encoded, and how: beside the results, so that an interrupted encoding goes on.</summary>
internal sealed class EncodingRecord
{
    /// <summary>The file in the output folder.</summary>
    public const string FileName = "encoded.json";

    private static readonly JsonSerializerOptions Json = JsonFile.Options;

    private readonly string _folder;
    private readonly Content _content;

    private EncodingRecord(string folder, Content content) => (_folder, _content) = (folder, content);

    /// <summary>The clips of each video that is done.</summary>
    public IReadOnlyDictionary<string, int> Videos => _content.Videos;

    /// <summary>Opens the record of an output folder, or begins one.</summary>
    /// <param name="folder">The output folder; made if it does not exist.</param>
    /// <param name="settings">Everything that the results depend on.</param>
    /// <exception cref="InvalidRequestException">The folder was encoded with other settings, or holds other files.</exception>
    /// <exception cref="EnvironmentException">The folder cannot be written.</exception>
    public static EncodingRecord Open(string folder, IEnumerable<KeyValuePair<string, string>> settings)
    {
        try
        {
            return File.Exists(Path.Combine(folder, FileName)) ? Read(folder, settings) : Begin(folder, settings);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException("output", $"{folder} cannot be used: {e.Message}", e);
        }
    }

    /// <summary>Notes that a video is done.</summary>
    /// <param name="video">The video's name.</param>
    /// <param name="clips">How many clips it gave.</param>
    /// <exception cref="EnvironmentException">The folder cannot be written.</exception>
    public void Add(string video, int clips)
    {
        _content.Videos[video] = clips;
        try
        {
            Save();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException("output", $"{_folder} cannot be written: {e.Message}", e);
        }
    }

    private static EncodingRecord Begin(string folder, IEnumerable<KeyValuePair<string, string>> settings)
    {
        Directory.CreateDirectory(folder);
        if (Directory.EnumerateFileSystemEntries(folder).Any())
            throw new InvalidRequestException("output",
                $"{folder} is not empty, and not the output of an interrupted encoding; choose another folder.");
        var record = new EncodingRecord(folder, new Content(new Dictionary<string, string>(settings), []));
        record.Save();
        return record;
    }

    private static EncodingRecord Read(string folder, IEnumerable<KeyValuePair<string, string>> settings)
    {
        Content? content = null;
        try
        {
            content = JsonFile.Read<Content>(Path.Combine(folder, FileName), Json);
        }
        catch (JsonException)
        {
            // Told below.
        }
        if (content is not { Settings: not null, Videos: not null })
            throw new InvalidRequestException("output",
                $"{Path.Combine(folder, FileName)} is not the record of an encoding; choose another folder.");
        foreach ((string name, string value) in settings)
            if (content.Settings.GetValueOrDefault(name) is var before && before != value)
                throw new InvalidRequestException("output",
                    $"{folder} was begun with the {name} '{before}', not '{value}'; choose another folder, or the same settings.");
        return new EncodingRecord(folder, content);
    }

    private void Save() => AtomicFile.WriteBytes(Path.Combine(_folder, FileName), JsonSerializer.SerializeToUtf8Bytes(_content, Json));

    private sealed record Content(Dictionary<string, string> Settings, Dictionary<string, int> Videos);
}
