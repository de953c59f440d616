using Google.Protobuf;

namespace TurboDiffusion.Tests.Text;

/// <summary>Writes small SentencePiece model files.</summary>
internal sealed class ModelFile
{
    public const int Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Unused = 5, Byte = 6;

    private readonly List<(string Text, float Score, int Kind)> _pieces =
        [("<pad>", 0, Control), ("</s>", 0, Control), ("<unk>", 0, Unknown)];

    public int ModelType { get; init; } = 1;

    public bool ByteFallback { get; init; }

    public bool WhitespaceAsSuffix { get; init; }

    public bool AddDummyPrefix { get; init; } = true;

    public bool RemoveExtraWhitespace { get; init; } = true;

    public bool EscapeWhitespace { get; init; } = true;

    public byte[]? Rules { get; init; }

    /// <summary>Adds a piece and returns its id.</summary>
    public int Add(string text, float score = -1, int kind = Normal)
    {
        _pieces.Add((text, score, kind));
        return _pieces.Count - 1;
    }

    public string WriteTo(string path)
    {
        using FileStream file = File.Create(path);
        using var output = new CodedOutputStream(file);
        foreach ((string text, float score, int kind) in _pieces)
        {
            Message(output, 1, piece =>
            {
                piece.WriteTag(1, WireFormat.WireType.LengthDelimited);
                piece.WriteString(text);
                piece.WriteTag(2, WireFormat.WireType.Fixed32);
                piece.WriteFloat(score);
                piece.WriteTag(3, WireFormat.WireType.Varint);
                piece.WriteEnum(kind);
            });
        }
        Message(output, 2, trainer =>
        {
            trainer.WriteTag(3, WireFormat.WireType.Varint);
            trainer.WriteEnum(ModelType);
            Flag(trainer, 24, WhitespaceAsSuffix);
            Flag(trainer, 35, ByteFallback);
        });
        Message(output, 3, normalizer =>
        {
            if (Rules is not null)
            {
                normalizer.WriteTag(2, WireFormat.WireType.LengthDelimited);
                normalizer.WriteBytes(ByteString.CopyFrom(Rules));
            }
            Flag(normalizer, 3, AddDummyPrefix);
            Flag(normalizer, 4, RemoveExtraWhitespace);
            Flag(normalizer, 5, EscapeWhitespace);
        });
        return path;
    }

    private static void Flag(CodedOutputStream output, int field, bool value)
    {
        output.WriteTag(field, WireFormat.WireType.Varint);
        output.WriteBool(value);
    }

    private static void Message(CodedOutputStream output, int field, Action<CodedOutputStream> write)
    {
        using var buffer = new MemoryStream();
        using (var message = new CodedOutputStream(buffer, leaveOpen: true)) write(message);
        output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        output.WriteBytes(ByteString.CopyFrom(buffer.ToArray()));
    }
}
