using System.Text;
using System.Text.Json;

namespace TurboDiffusion.Tests.Checkpoints;

/// <summary>Changes a JSON text at one of its tokens, so that it stays JSON and means something else.</summary>
internal static class JsonMutation
{
    private static readonly string[] Values =
    [
        "null", "true", "0", "-1", "1", "7", "1.5", "1e400", "-1e400", "1e300", "1e-400", "2147483647", "-2147483648", "4294967296",
        "99999999999999999999",
        "\"\"", "\"\\u0000\"", "\"a\\u0000b\"", "\"\\ud800\"", "\"1\"", "\"NaN\"", "\"../../etc/passwd\"", "\"/dev/zero\"", "[]", "{}",
        "[null]", "[[[]]]", "{\"a\":1}",
        "\"" + new string('k', 140_000) + "\"", string.Concat(Enumerable.Repeat("[", 200)) + string.Concat(Enumerable.Repeat("]", 200)),
    ];

    /// <summary>How many ways there are to change a token.</summary>
    public static int Kinds => Values.Length + 4;

    /// <summary>The text with one token changed.</summary>
    /// <param name="json">JSON.</param>
    /// <param name="at">Which token, as a fraction of all.</param>
    /// <param name="kind">How, from 0 to <see cref="Kinds"/>.</param>
    public static string Mutate(string json, double at, int kind)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(json);
        List<(int Start, int End, bool IsName)> tokens = Tokens(bytes);
        if (tokens.Count == 0) return json;
        (int start, int end, bool isName) = tokens[Math.Min((int)(at * tokens.Count), tokens.Count - 1)];
        string before = Encoding.UTF8.GetString(bytes, 0, start), token = Encoding.UTF8.GetString(bytes, start, end - start),
            after = Encoding.UTF8.GetString(bytes, end, bytes.Length - end);
        string other = tokens[(int)(at * 7919 * tokens.Count) % tokens.Count] is var o
            ? Encoding.UTF8.GetString(bytes, o.Start, o.End - o.Start)
            : token;
        return kind switch
        {
            // A name, or a value, of another place; of no place; twice; not at all.
            _ when isName => before + (kind % 3 == 0 ? other : kind % 3 == 1
                ? "\"" + new string('n', 140_000) + "\""
                : "\"\\u0000\"") + after,
            _ when kind < Values.Length => before + Values[kind] + after,
            _ when kind == Values.Length => before + other + after,
            _ when kind == Values.Length + 1 => before + token + "," + token + after,
            _ when kind == Values.Length + 2 => before + after,
            _ => before + "[" + token + "]" + after,
        };
    }

    private static List<(int Start, int End, bool IsName)> Tokens(byte[] json)
    {
        var tokens = new List<(int, int, bool)>();
        var reader = new Utf8JsonReader(json,
            new JsonReaderOptions { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
        var open = new Stack<int>();
        try
        {
            while (reader.Read())
            {
                switch (reader.TokenType)
                {
                    case JsonTokenType.StartObject or JsonTokenType.StartArray: open.Push((int)reader.TokenStartIndex); break;
                    case JsonTokenType.EndObject or JsonTokenType.EndArray: tokens.Add((open.Pop(), (int)reader.BytesConsumed, false));
                    break;
                    case JsonTokenType.PropertyName:
                        // Its end is the end of the text, before the colon.
                        tokens.Add(((int)reader.TokenStartIndex, (int)reader.TokenStartIndex + reader.ValueSpan.Length + 2, true));
                        break;
                    default: tokens.Add(((int)reader.TokenStartIndex, (int)reader.BytesConsumed, false)); break;
                }
            }
        }
        catch (JsonException)
        {
            // What the last mutation left is changed as far as it can be read.
        }
        return tokens;
    }
}
