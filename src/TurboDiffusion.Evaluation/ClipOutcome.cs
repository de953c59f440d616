using TurboDiffusion.ShapeWorld;
using TurboDiffusion.ShapeWorld.Recognition;

namespace TurboDiffusion.Evaluation;

/// <summary>What became of one prompt.</summary>
/// <param name="Prompt">The caption.</param>
/// <param name="Seed">Of the noise.</param>
/// <param name="Scene">What should be seen.</param>
/// <param name="Reading">What is seen.</param>
/// <param name="Score">What of it is right.</param>
public sealed record ClipOutcome(string Prompt, ulong Seed, Scene Scene, SceneReading Reading, SceneScore Score);
