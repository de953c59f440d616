namespace TurboDiffusion.Training.Merging;

/// <summary>What a merge did with every tensor.</summary>
/// <param name="Merged">Base plus weighted difference.</param>
/// <param name="CarriedFromTuned">Only the tuned model has them (SLA's <c>proj_l</c>): taken as they are.</param>
/// <param name="KeptFromBase">The tuning knows no difference for them: the base's, as they are.</param>
/// <param name="Ignored">Only the model that tuning began from has them: not in the result.</param>
public sealed record MergeReport(
    IReadOnlyList<string> Merged,
    IReadOnlyList<string> CarriedFromTuned,
    IReadOnlyList<string> KeptFromBase,
    IReadOnlyList<string> Ignored);
