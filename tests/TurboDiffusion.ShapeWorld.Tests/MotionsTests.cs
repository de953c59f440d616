using Xunit;

namespace TurboDiffusion.ShapeWorld.Tests;

public sealed class MotionsTests
{
    private const int Last = Clip.Frames - 1;

    [Theory]
    [InlineData(Motion.Right, 1, 0)]
    [InlineData(Motion.Left, -1, 0)]
    [InlineData(Motion.Up, 0, -1)]
    [InlineData(Motion.Down, 0, 1)]
    public void Slides_are_seen_to_lead_through_the_picture(Motion motion, int right, int down)
    {
        foreach (var size in Enum.GetValues<ShapeSize>())
        {
            var clip = new Clip(new Scene(Background.Ocean, motion, [new SceneObject(Shape.Square, ShapeColor.Orange, size)], 9));
            var (_, x0, y0) = clip.Seen(0);
            var (_, x1, y1) = clip.Seen(Last);

            // The large square leaves a third of the height, and half of the width.
            Assert.InRange((x1 - x0) * right + (y1 - y0) * down, right != 0 ? 0.5f * Clip.Width : 0.33f * Clip.Height, Clip.Width);
            Assert.InRange((x1 - x0) * down + (y1 - y0) * right, -2, 2);
        }
    }

    [Fact]
    public void A_bounce_touches_the_ground_three_times_and_crosses_the_picture()
    {
        var directions = new HashSet<int>();
        for (int seed = 0; seed < 8; seed++)
        {
            var clip = new Clip(new Scene(Background.Desert, Motion.Bounce, [new SceneObject(Shape.Circle, ShapeColor.Blue)], seed));
            (int Area, float X, float Y)[] seen = [.. Enumerable.Range(0, Clip.Frames).Select(clip.Seen)];
            float ground = seen[0].Y, top = seen.Min(s => s.Y);

            Assert.True(ground - top > 0.4 * Clip.Height);
            Assert.InRange(seen[8].Y, top - 1, top + 1);
            Assert.InRange(seen[16].Y, ground - 1, ground + 1);
            Assert.InRange(seen[24].Y, top - 1, top + 1);
            Assert.InRange(seen[Last].Y, ground - 1, ground + 1);
            Assert.True(Math.Abs(seen[Last].X - seen[0].X) > 0.6 * Clip.Width);
            directions.Add(Math.Sign(seen[Last].X - seen[0].X));
        }
        Assert.Equal(2, directions.Count);
    }

    [Fact]
    public void An_orbit_goes_once_round_a_circle_in_both_directions()
    {
        var directions = new HashSet<int>();
        for (int seed = 0; seed < 8; seed++)
        {
            var clip = new Clip(new Scene(Background.Meadow, Motion.Orbit, [new SceneObject(Shape.Heart, ShapeColor.Red)], seed));
            (float X, float Y)[] seen = [.. Enumerable.Range(0, Clip.Frames).Select(f => (clip.Seen(f).X, clip.Seen(f).Y))];
            float x = seen[..Last].Average(s => s.X), y = seen[..Last].Average(s => s.Y);
            double turned = 0;
            for (int f = 1; f < Clip.Frames; f++)
            {
                double step = Math.Atan2(seen[f].Y - y, seen[f].X - x) - Math.Atan2(seen[f - 1].Y - y, seen[f - 1].X - x);
                turned += Math.IEEERemainder(step, Math.Tau);
            }

            Assert.All(seen, s => Assert.InRange(double.Hypot(s.X - x, s.Y - y), 0.2 * Clip.Height, 0.3 * Clip.Height));
            Assert.InRange(Math.Abs(turned), 0.98 * Math.Tau, 1.02 * Math.Tau);
            directions.Add(Math.Sign(turned));
        }
        Assert.Equal(2, directions.Count);
    }

    [Fact]
    public void Growing_and_shrinking_change_the_area_several_times()
    {
        foreach (var shape in Enum.GetValues<Shape>())
        {
            var scene = new Scene(Background.Studio, Motion.Grow, [new SceneObject(shape, ShapeColor.Green)], 2);
            Clip grows = new(scene), shrinks = new(scene with { Motion = Motion.Shrink });

            Assert.True(grows.Seen(Last).Area > 5 * grows.Seen(0).Area);
            Assert.True(shrinks.Seen(0).Area > 5 * shrinks.Seen(Last).Area);
        }
    }

    [Fact]
    public void Fading_in_begins_with_nothing_and_ends_opaque()
    {
        var clip = new Clip(new Scene(Background.Mountains, Motion.FadeIn, [new SceneObject(Shape.Star, ShapeColor.Yellow)], 2));
        var pose = clip.Pose(Last);

        Assert.Empty(clip.Changed(0, 0));
        Assert.Equal(1, pose.Opacity);
        Assert.Equal(Palette.Of(ShapeColor.Yellow), clip.Pixel(Last, pose.X, pose.Y));
    }

    [Fact]
    public void Night_falls_only_when_day_turns_to_night()
    {
        foreach (var motion in Enum.GetValues<Motion>())
        {
            var scene = new Scene(Background.Desert, motion, [new SceneObject(Shape.Star, ShapeColor.Yellow)], 2);
            Assert.Equal(0, Motions.Night(scene, 0, Clip.Frames));
            Assert.Equal(motion == Motion.DayToNight ? 1 : 0, Motions.Night(scene, Last, Clip.Frames));
        }
    }

    [Theory]
    [InlineData(192, 112)]
    [InlineData(128, 80)]
    [InlineData(64, 64)]
    [InlineData(480, 832)]
    public void Objects_stay_inside_the_picture_and_apart(int width, int height)
    {
        for (int seed = 0; seed < 3000; seed++)
        {
            Scene scene = SceneSampler.Training(seed);
            for (int frame = 0; frame < 9; frame++)
            {
                ObjectPose[] poses = [.. scene.Objects.Select((_, i) => Motions.Pose(scene, i, frame, 9, width, height))];
                foreach (var pose in poses)
                {
                    float reach = Motions.Reach * pose.Radius - 0.01f;
                    Assert.InRange(pose.X, reach, width - reach);
                    Assert.InRange(pose.Y, reach, height - reach);
                }
                if (poses is [var a, var b])
                    Assert.InRange(double.Hypot(a.X - b.X, a.Y - b.Y), Motions.Reach * (a.Radius + b.Radius) - 0.01, width + height);
            }
        }
    }

    [Fact]
    public void A_single_frame_is_the_first_of_the_clip()
    {
        foreach (var motion in Enum.GetValues<Motion>())
        {
            var scene = new Scene(Background.Desert, motion, [new SceneObject(Shape.Star, ShapeColor.Yellow)], 2);
            Assert.Equal(Motions.Pose(scene, 0, 0, Clip.Frames, 192, 112), Motions.Pose(scene, 0, 0, 1, 192, 112));
        }
    }
}
