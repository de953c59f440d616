using System.Globalization;
using System.Text;
using Google.Protobuf;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Generation.Text;

/// <summary>
/// What a SentencePiece model file (a protocol buffer) holds: pieces with their log-probabilities, the normaliser's
/// rules and the flags that decide how text is split. Only unigram models.
/// </summary>
/// <remarks>Fields: https://github.com/google/sentencepiece, src/sentencepiece_model.proto.</remarks>
internal sealed class SentencePieceModel
{
    /// <summary>The most bytes that such a file may have.</summary>
    public const long MaxFileBytes = 256 << 20;

    private const int Unigram = 1;

    private readonly int[] _byteIds = [.. Enumerable.Repeat(-1, 256)];

    private SentencePieceModel(string path) => Path = path;

    /// <summary>How the tokenizer treats a piece; the numbers are those of the file.</summary>
    internal enum PieceKind
    {
        Normal = 1,
        Unknown = 2,
        Control = 3,
        UserDefined = 4,
        Unused = 5,
        Byte = 6,
    }

    /// <summary>A token: its text, the logarithm of its probability, and its kind. Its id is its place in the list.</summary>
    internal readonly record struct Piece(string Text, float Score, PieceKind Kind);

    public string Path { get; }

    public List<Piece> Pieces { get; } = [];

    public int UnknownId { get; private set; } = -1;

    public int EndId { get; private set; } = -1;

    public int PadId { get; private set; } = -1;

    /// <summary>Whether an unknown character is written as its UTF-8 bytes, one token each.</summary>
    public bool ByteFallback { get; private set; }

    /// <summary>The token of each byte; only with <see cref="ByteFallback"/>.</summary>
    public IReadOnlyList<int> ByteIds => _byteIds;

    /// <summary>The rules that rewrite characters; null if text is taken as it is.</summary>
    public CharacterMap? Characters { get; private set; }

    /// <summary>Whether a space is put before the text.</summary>
    public bool AddDummyPrefix { get; private set; } = true;

    /// <summary>Whether spaces at both ends and repeated spaces are dropped.</summary>
    public bool RemoveExtraWhitespace { get; private set; } = true;

    /// <summary>Whether a space becomes U+2581.</summary>
    public bool EscapeWhitespace { get; private set; } = true;

    /// <summary>Whether the space of <see cref="AddDummyPrefix"/> goes behind the text instead.</summary>
    public bool WhitespaceAsSuffix { get; private set; }

    /// <exception cref="CheckpointException">The file is missing, broken, or no unigram SentencePiece model.</exception>
    public static SentencePieceModel Read(string path)
    {
        byte[] bytes = ReadFile(path);
        var model = new SentencePieceModel(path);
        try
        {
            model.ReadModel(new CodedInputStream(bytes));
        }
        catch (Exception e) when (e is InvalidProtocolBufferException or DecoderFallbackException or InvalidOperationException)
        {
            throw model.Bad($"cannot be read ({e.Message})", e);
        }
        model.Check();
        return model;
    }

    private static byte[] ReadFile(string path)
    {
        try
        {
            return InputFile.ReadBytes(path, MaxFileBytes) is { Length: > 0 } bytes ? bytes : throw new IOException("it is empty");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(path, $"cannot be read: {e.Message}. Use the tokenizer's SentencePiece model, spiece.model.", e);
        }
    }

    private void ReadModel(CodedInputStream input)
    {
        while (input.ReadTag() is var tag and not 0)
        {
            switch (WireFormat.GetTagFieldNumber(tag))
            {
                case 1: AddPiece(Message(input, tag)); break;
                case 2: ReadTrainer(Message(input, tag)); break;
                case 3: ReadNormalizer(Message(input, tag)); break;
                default: input.SkipLastField(); break;
            }
        }
    }

    private void AddPiece(CodedInputStream input)
    {
        string text = "";
        float score = 0;
        var kind = PieceKind.Normal;
        while (input.ReadTag() is var tag and not 0)
        {
            switch (tag)
            {
                case 1 << 3 | 2: text = StrictUtf8.GetString(input.ReadBytes().Span); break;
                case 2 << 3 | 5: score = input.ReadFloat(); break;
                case 3 << 3: kind = (PieceKind)input.ReadEnum(); break;
                default: input.SkipLastField(); break;
            }
        }
        if (text.Length == 0 || !float.IsFinite(score) || !Enum.IsDefined(kind))
            throw Bad($"has a piece number {Pieces.Count} without a proper text, score and type");
        int id = Pieces.Count;
        Pieces.Add(new Piece(text, score, kind));
        if (kind == PieceKind.Unknown)
            UnknownId = UnknownId < 0 ? id : throw Bad("has two unknown tokens");
        else if (kind == PieceKind.Byte)
            _byteIds[ByteOf(text)] = id;
        else if (text == "</s>")
            EndId = id;
        else if (text == "<pad>")
            PadId = id;
    }

    private int ByteOf(string text) =>
        text.Length == 6 && text.StartsWith("<0x", StringComparison.Ordinal) && text[5] == '>'
        && int.TryParse(text.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value)
            ? value
            : throw Bad($"has a byte token named '{text}'");

    private void ReadTrainer(CodedInputStream input)
    {
        while (input.ReadTag() is var tag and not 0)
        {
            switch (tag)
            {
                case 3 << 3:
                    if (input.ReadEnum() is var type and not Unigram)
                        throw Bad($"is a model of type {type}; only unigram models ({Unigram}) are supported");
                    break;
                case 24 << 3: WhitespaceAsSuffix = input.ReadBool(); break;
                case 35 << 3: ByteFallback = input.ReadBool(); break;
                default: input.SkipLastField(); break;
            }
        }
    }

    private void ReadNormalizer(CodedInputStream input)
    {
        while (input.ReadTag() is var tag and not 0)
        {
            switch (tag)
            {
                case 2 << 3 | 2:
                    ReadOnlyMemory<byte> rules = input.ReadBytes().Memory;
                    if (!rules.IsEmpty) Characters = CharacterMap.Read(rules.Span) ?? throw Bad("has malformed normalisation rules");
                    break;
                case 3 << 3: AddDummyPrefix = input.ReadBool(); break;
                case 4 << 3: RemoveExtraWhitespace = input.ReadBool(); break;
                case 5 << 3: EscapeWhitespace = input.ReadBool(); break;
                default: input.SkipLastField(); break;
            }
        }
    }

    private void Check()
    {
        if (Pieces.Count == 0) throw Bad("holds no pieces");
        if (UnknownId < 0) throw Bad("has no unknown token");
        if (EndId < 0 || PadId < 0) throw Bad("lacks the token </s> or <pad>");
        if (ByteFallback && _byteIds.Contains(-1)) throw Bad("falls back to bytes but lacks the tokens of some");
    }

    private CodedInputStream Message(CodedInputStream input, uint tag) =>
        WireFormat.GetTagWireType(tag) == WireFormat.WireType.LengthDelimited
            ? input.ReadBytes().CreateCodedInput()
            : throw Bad($"has a field of the wrong type at its top");

    private static UTF8Encoding StrictUtf8 { get; } = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private CheckpointException Bad(string reason, Exception? cause = null) =>
        new(Path, $"{reason}. It is not a usable SentencePiece model; use the tokenizer's spiece.model.", cause);
}
