using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace TurboDiffusion.Runtime;

/// <summary>JSON files that people write: descriptions of models, plans, configurations.</summary>
public static class JsonFile
{
    /// <summary>The most bytes that such a file may have.</summary>
    public const int MaxBytes = 1 << 20;

    /// <summary>
    /// How they are read and written: names and words in camel case, comments and trailing commas allowed, nothing unknown, twice
    /// or null where something is needed.
    /// </summary>
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        AllowDuplicateProperties = false,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        ReadCommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
    };

    /// <summary>Reads a file.</summary>
    /// <typeparam name="T">What it holds.</typeparam>
    /// <param name="path">A regular file of at most <see cref="MaxBytes"/>, in UTF-8 or, with a mark, UTF-16.</param>
    /// <param name="options">How; <see cref="Options"/> where null.</param>
    /// <exception cref="JsonException">It holds something else.</exception>
    /// <exception cref="IOException">It cannot be read; see <see cref="InputFile"/>.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static T Read<T>(string path, JsonSerializerOptions? options = null)
        where T : class
    {
        byte[] json = Encoding.UTF8.GetBytes(InputFile.ReadText(path, MaxBytes));
        options ??= Options;
        Check(json, options);
        try
        {
            return JsonSerializer.Deserialize<T>(json, options) ?? throw new JsonException("it is null; it must be an object");
        }
        catch (Exception e) when (e is NotSupportedException or InvalidOperationException or ArgumentException or OverflowException)
        {
            throw new JsonException(e.Message, e);
        }
    }

    // What the types do not say: no list has room for null, no name or text for the character 0, and numbers are finite.
    private static void Check(byte[] json, JsonSerializerOptions options)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions
        {
            AllowTrailingCommas = options.AllowTrailingCommas,
            CommentHandling = options.ReadCommentHandling,
            MaxDepth = options.MaxDepth,
        });
        var lists = new Stack<bool>();
        try
        {
            while (reader.Read())
            {
                switch (reader.TokenType)
                {
                    case JsonTokenType.StartArray: lists.Push(true); break;
                    case JsonTokenType.StartObject: lists.Push(false); break;
                    case JsonTokenType.EndArray or JsonTokenType.EndObject: lists.Pop(); break;
                    case JsonTokenType.Null when lists.TryPeek(out bool inList) && inList:
                        throw At("a list holds null", json, reader.TokenStartIndex);
                    case JsonTokenType.PropertyName or JsonTokenType.String when reader.GetString()!.Contains('\0'):
                        throw At("a text holds the character 0", json, reader.TokenStartIndex);
                    case JsonTokenType.Number when !double.IsFinite(reader.GetDouble()):
                        throw At("a number is too large", json, reader.TokenStartIndex);
                }
            }
        }
        catch (InvalidOperationException e)
        {
            throw new JsonException("a text is not valid Unicode", e);
        }
    }

    private static JsonException At(string reason, byte[] json, long position) =>
        new($"{reason} (line {json.AsSpan(0, (int)position).Count((byte)'\n') + 1})");
}
