using System.Text;
using PieceKind = TurboDiffusion.Generation.Text.SentencePieceModel.PieceKind;

namespace TurboDiffusion.Generation.Text;

/// <summary>
/// Splits normalised text into the pieces whose probabilities have the largest product (Viterbi), and writes what no
/// piece covers as bytes.
/// </summary>
/// <remarks>
/// Unigram language model of arXiv 1804.10959. Scores are added in the precision of
/// https://github.com/google/sentencepiece, src/unigram_model.cc, so that ties fall the same way.
/// </remarks>
internal sealed class UnigramSegmenter
{
    // An unknown character costs this much more than the rarest piece.
    private const float UnknownPenalty = 10;

    // The reference's starting value of a maximum over negative numbers; it scales the score of user-defined symbols.
    private const float SmallestNormal = 1.17549435e-38f;

    private readonly SentencePieceModel _model;
    private readonly string[] _texts;
    private readonly int[] _ids;
    private readonly float _unknownScore;
    private readonly float _maxScore;

    public UnigramSegmenter(SentencePieceModel model)
    {
        _model = model;
        _ids = [.. Enumerable.Range(0, model.Pieces.Count)
            .Where(i => model.Pieces[i].Kind is PieceKind.Normal or PieceKind.UserDefined)];
        _texts = [.. _ids.Select(i => model.Pieces[i].Text)];
        Array.Sort(_texts, _ids, StringComparer.Ordinal);
        float[] scores = [.. model.Pieces.Where(p => p.Kind == PieceKind.Normal).Select(p => p.Score)];
        _unknownScore = scores.DefaultIfEmpty(float.MaxValue).Min() - UnknownPenalty;
        _maxScore = Math.Max(SmallestNormal, scores.DefaultIfEmpty(SmallestNormal).Max());
    }

    /// <summary>The best way found to reach a position: from where, by which piece, at what total score.</summary>
    private record struct Step(int Start, int Id, float Score)
    {
        public static readonly Step None = new(-1, -1, 0);

        public void Offer(int start, int id, double score)
        {
            if (Start < 0 || score > Score) this = new Step(start, id, (float)score);
        }
    }

    public List<int> Encode(string text)
    {
        Step[] best = BestSteps(text);
        var path = new Stack<(int Start, int End, int Id)>();
        for (int end = text.Length; end > 0; end = best[end].Start) path.Push((best[end].Start, end, best[end].Id));

        var ids = new List<int>();
        bool afterUnknown = false;
        foreach ((int start, int end, int id) in path)
        {
            bool unknown = id == _model.UnknownId;
            if (unknown && _model.ByteFallback)
            {
                foreach (byte b in Encoding.UTF8.GetBytes(text, start, end - start)) ids.Add(_model.ByteIds[b]);
            }
            else if (!unknown || !afterUnknown)
            {
                ids.Add(id);
            }
            afterUnknown = unknown;
        }
        return ids;
    }

    private Step[] BestSteps(string text)
    {
        var best = new Step[text.Length + 1];
        Array.Fill(best, Step.None);
        int character;
        for (int start = 0; start < text.Length; start += character)
        {
            character = char.IsHighSurrogate(text[start]) && start + 1 < text.Length ? 2 : 1;
            float here = best[start].Score;
            bool known = false;
            int low = 0, high = _texts.Length;
            for (int end = start + 1; end <= text.Length; end++)
            {
                (low, high) = Narrow(low, high, end - start - 1, text[end - 1]);
                if (low == high) break;
                // Of the pieces that begin with this text, the text itself sorts first.
                if (_texts[low].Length != end - start) continue;
                best[end].Offer(start, _ids[low], Score(_ids[low]) + here);
                known |= end - start == character;
            }
            if (!known) best[start + character].Offer(start, _model.UnknownId, _unknownScore + here);
        }
        return best;
    }

    private double Score(int id)
    {
        SentencePieceModel.Piece piece = _model.Pieces[id];
        return piece.Kind == PieceKind.UserDefined
            ? Encoding.UTF8.GetByteCount(piece.Text) * _maxScore - 0.1
            : piece.Score;
    }

    /// <summary>The part of a range of sorted texts, alike up to a depth, that has a character at this depth.</summary>
    private (int Low, int High) Narrow(int low, int high, int depth, char character) =>
        (FirstAbove(low, high, depth, character - 1), FirstAbove(low, high, depth, character));

    private int FirstAbove(int low, int high, int depth, int character)
    {
        while (low < high)
        {
            int middle = (low + high) / 2;
            int found = depth < _texts[middle].Length ? _texts[middle][depth] : -1;
            if (found > character) high = middle;
            else low = middle + 1;
        }
        return low;
    }
}
