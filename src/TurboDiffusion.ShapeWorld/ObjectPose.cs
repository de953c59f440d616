namespace TurboDiffusion.ShapeWorld;

/// <summary>Where an object is in one frame, in pixels; (0, 0) is the corner at the top left.</summary>
/// <param name="X">The centre, from the left.</param>
/// <param name="Y">The centre, from the top.</param>
/// <param name="Radius">Half the diameter that <see cref="ShapeSize"/> gives. No shape reaches further than
/// <see cref="Motions.Reach"/> times this.</param>
/// <param name="Angle">In radians, clockwise from upright.</param>
/// <param name="Opacity">0 unseen, 1 opaque.</param>
public readonly record struct ObjectPose(float X, float Y, float Radius, float Angle, float Opacity);
