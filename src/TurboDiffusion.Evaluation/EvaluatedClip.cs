using TurboDiffusion.ShapeWorld.Recognition;

namespace TurboDiffusion.Evaluation;

/// <summary>A clip, what it should show and what it does.</summary>
/// <param name="Prompt">What was asked for.</param>
/// <param name="Rgb">The frames, RGB24 <c>[T, H, W, 3]</c>.</param>
/// <param name="Size">Of the frames.</param>
/// <param name="Reading">What was read from the pixels.</param>
/// <param name="Score">What of it is right.</param>
public sealed record EvaluatedClip(EvaluationPrompt Prompt, byte[] Rgb, ClipSize Size, SceneReading Reading, SceneScore Score);
