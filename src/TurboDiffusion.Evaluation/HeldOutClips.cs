using TurboDiffusion.ShapeWorld;
using TurboDiffusion.ShapeWorld.Recognition;

namespace TurboDiffusion.Evaluation;

/// <summary>Held-out scenes as clips of one size, and what of them other clips show.</summary>
/// <param name="oneObject">How many scenes with one object.</param>
/// <param name="twoObjects">How many with two.</param>
/// <param name="seed">Which.</param>
/// <param name="size">Of the clips.</param>
public sealed class HeldOutClips(int oneObject, int twoObjects, int seed, ClipSize size)
{
    /// <summary>The scenes with their captions.</summary>
    public IReadOnlyList<EvaluationPrompt> Prompts { get; } = EvaluationPrompt.HeldOut(oneObject, twoObjects, seed);

    /// <summary>Of the clips.</summary>
    public ClipSize Size => size;

    /// <summary>The real clips of scenes.</summary>
    /// <param name="prompts">The scenes.</param>
    /// <returns>RGB24 <c>[T, H, W, 3]</c> each.</returns>
    public byte[][] Render(IReadOnlyList<EvaluationPrompt> prompts) =>
        [.. prompts.AsParallel().AsOrdered().Select(p => SceneRenderer.Render(p.Scene, size.Width, size.Height, size.Frames))];

    /// <summary>Has a clip of every scene made, and reads it.</summary>
    /// <param name="generate">Makes clips of scenes, RGB24 <c>[T, H, W, 3]</c> each.</param>
    /// <param name="batch">How many at a time.</param>
    /// <param name="cancellationToken">Checked before each batch and clip.</param>
    /// <returns>The scores of all clips, of one object and of two.</returns>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public AttributeScores Score(Func<IReadOnlyList<EvaluationPrompt>, byte[][]> generate, int batch,
        CancellationToken cancellationToken = default)
    {
        var scores = new List<SceneScore>();
        foreach (EvaluationPrompt[] some in Prompts.Chunk(batch))
        {
            cancellationToken.ThrowIfCancellationRequested();
            byte[][] clips = generate(some);
            var read = new SceneScore[some.Length];
            Parallel.For(0, some.Length, new ParallelOptions { CancellationToken = cancellationToken },
                i => read[i] = SceneRecognizer.Compare(
                SceneRecognizer.Read(clips[i], size.Width, size.Height, size.Frames, some[i].Scene.Objects.Count), some[i].Scene));
            scores.AddRange(read);
        }
        return AttributeScores.Of(scores);
    }
}
