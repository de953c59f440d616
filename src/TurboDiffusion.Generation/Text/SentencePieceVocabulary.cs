using System.Text;
using Google.Protobuf;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Generation.Text;

/// <summary>
/// Makes a small SentencePiece model from a list of words: one token for each word, also with a capital letter; other
/// words are spelled in letters. For models that are trained on a small language of their own.
/// </summary>
/// <remarks>The file format: https://github.com/google/sentencepiece, src/sentencepiece_model.proto.</remarks>
public static class SentencePieceVocabulary
{
    private const string WordStart = "\u2581";
    private const string Letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:!?'-";
    private const int Unigram = 1;

    // A word as one token always beats its spelling.
    private const float WordScore = -1, LetterScore = -100;

    /// <summary>Writes the model file, whole or not at all.</summary>
    /// <param name="path">The file.</param>
    /// <param name="words">The words of the language, in the order of their ids; punctuation is not part of them.</param>
    /// <exception cref="InvalidRequestException">A word is empty or has a space.</exception>
    public static void Write(string path, IEnumerable<string> words)
    {
        var pieces = new List<(string Text, float Score, SentencePieceModel.PieceKind Kind)>
        {
            ("<pad>", 0, SentencePieceModel.PieceKind.Control),
            ("</s>", 0, SentencePieceModel.PieceKind.Control),
            ("<unk>", 0, SentencePieceModel.PieceKind.Unknown),
            (WordStart, LetterScore, SentencePieceModel.PieceKind.Normal),
        };
        pieces.AddRange(Letters.Select(c => (c.ToString(), LetterScore, SentencePieceModel.PieceKind.Normal)));
        foreach (string word in words)
        {
            if (word.Length == 0 || word.Any(char.IsWhiteSpace))
                throw new InvalidRequestException("words", $"The vocabulary has the word '{word}'; a word is not empty and has no spaces.");
            foreach (string form in new[] { word, char.ToUpperInvariant(word[0]) + word[1..] }.Distinct())
                pieces.Add((WordStart + form, WordScore, SentencePieceModel.PieceKind.Normal));
        }
        byte[] file = Message(model =>
        {
            foreach (var piece in pieces.DistinctBy(p => p.Text))
                Field(model, 1, Message(p =>
                {
                    Field(p, 1, Encoding.UTF8.GetBytes(piece.Text));
                    p.WriteTag(2, WireFormat.WireType.Fixed32);
                    p.WriteFloat(piece.Score);
                    Number(p, 3, (int)piece.Kind);
                }));
            Field(model, 2, Message(trainer => Number(trainer, 3, Unigram)));
            Field(model, 3, Message(normalizer =>
            {
                foreach (int flag in new[] { 3, 4, 5 }) Number(normalizer, flag, 1);
            }));
        });
        AtomicFile.WriteBytes(path, file);
    }

    private static byte[] Message(Action<CodedOutputStream> write)
    {
        using var buffer = new MemoryStream();
        using (var output = new CodedOutputStream(buffer, leaveOpen: true)) write(output);
        return buffer.ToArray();
    }

    private static void Field(CodedOutputStream output, int number, byte[] value)
    {
        output.WriteTag(number, WireFormat.WireType.LengthDelimited);
        output.WriteBytes(ByteString.CopyFrom(value));
    }

    private static void Number(CodedOutputStream output, int number, int value)
    {
        output.WriteTag(number, WireFormat.WireType.Varint);
        output.WriteInt32(value);
    }
}
