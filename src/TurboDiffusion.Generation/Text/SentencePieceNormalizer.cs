using System.Buffers;
using System.Text;

namespace TurboDiffusion.Generation.Text;

/// <summary>
/// Rewrites text into the form in which a SentencePiece model knows its pieces: characters by the model's rules
/// (nmt_nfkc, identity, …), white space collapsed and written as U+2581, all as the model's own flags say.
/// </summary>
/// <remarks>https://github.com/google/sentencepiece, src/normalizer.cc.</remarks>
internal sealed class SentencePieceNormalizer
{
    private static ReadOnlySpan<byte> EscapedSpace => "\u2581"u8;

    private readonly SentencePieceModel _model;
    private readonly byte[][] _userDefined;

    public SentencePieceNormalizer(SentencePieceModel model)
    {
        _model = model;
        // Longest first, so that the first match is the longest.
        _userDefined = [.. model.Pieces.Where(p => p.Kind == SentencePieceModel.PieceKind.UserDefined)
            .Select(p => Encoding.UTF8.GetBytes(p.Text)).OrderByDescending(p => p.Length)];
    }

    public string Normalize(string text)
    {
        ReadOnlySpan<byte> input = Encoding.UTF8.GetBytes(text);
        ReadOnlySpan<byte> space = _model.EscapeWhitespace ? EscapedSpace : " "u8;
        bool trim = _model.RemoveExtraWhitespace;
        while (trim && !input.IsEmpty)
        {
            int consumed = Next(input, out ReadOnlySpan<byte> piece);
            if (!piece.SequenceEqual(" "u8)) break;
            input = input[consumed..];
        }
        if (input.IsEmpty) return "";

        var output = new ArrayBufferWriter<byte>(input.Length * 2);
        if (_model.AddDummyPrefix && !_model.WhitespaceAsSuffix) output.Write(space);
        bool afterSpace = trim;
        while (!input.IsEmpty)
        {
            int consumed = Next(input, out ReadOnlySpan<byte> piece);
            input = input[consumed..];
            if (afterSpace) piece = piece.TrimStart((byte)' ');
            if (!piece.IsEmpty) afterSpace = trim && piece[^1] == ' ';
            foreach (byte b in piece)
            {
                if (b == ' ') output.Write(space);
                else output.Write([b]);
            }
        }
        ReadOnlySpan<byte> normalized = output.WrittenSpan;
        while (trim && normalized.EndsWith(space)) normalized = normalized[..^space.Length];
        string result = Encoding.UTF8.GetString(normalized);
        return _model.AddDummyPrefix && _model.WhitespaceAsSuffix ? result + Encoding.UTF8.GetString(space) : result;
    }

    /// <summary>What the start of the text becomes: a user-defined symbol as it is, else the longest rule's
    /// replacement, else one character as it is.</summary>
    /// <returns>The number of bytes that it stands for.</returns>
    private int Next(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> piece)
    {
        foreach (byte[] symbol in _userDefined)
        {
            if (!text.StartsWith(symbol)) continue;
            piece = symbol;
            return symbol.Length;
        }
        if (_model.Characters?.Match(text, out piece) is { } replaced and > 0)
            return replaced;
        Rune.DecodeFromUtf8(text, out _, out int length);
        piece = text[..length];
        return length;
    }
}
