using TurboDiffusion.ShapeWorld;

namespace TurboDiffusion.Evaluation;

/// <summary>A prompt and what a clip of it should show.</summary>
/// <param name="Scene">A held-out scene.</param>
/// <param name="Caption">It in words: the prompt.</param>
/// <param name="Seed">The seed of the clip's noise.</param>
public sealed record EvaluationPrompt(Scene Scene, string Caption, ulong Seed)
{
    /// <summary>Held-out scenes with their captions, chosen by a seed.</summary>
    /// <param name="oneObject">How many with one object.</param>
    /// <param name="twoObjects">How many with two; they follow those with one.</param>
    /// <param name="seed">Which.</param>
    public static IReadOnlyList<EvaluationPrompt> HeldOut(int oneObject, int twoObjects, int seed)
    {
        for (int draws = oneObject + twoObjects; ; draws = 2 * draws + 16)
        {
            IReadOnlyList<Scene> scenes = SceneSampler.HeldOutScenes(draws, seed);
            Scene[] chosen = [.. Of(1, oneObject), .. Of(2, twoObjects)];
            if (chosen.Length == oneObject + twoObjects)
                return [.. chosen.Select((scene, i) =>
                    new EvaluationPrompt(scene, Captions.Describe(scene, i), (ulong)(uint)seed * 1_000_000 + (ulong)i))];

            IEnumerable<Scene> Of(int objects, int count) => scenes.Where(s => s.Objects.Count == objects).Take(count);
        }
    }
}
