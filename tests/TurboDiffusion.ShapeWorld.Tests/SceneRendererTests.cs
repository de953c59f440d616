using Xunit;

namespace TurboDiffusion.ShapeWorld.Tests;

public sealed class SceneRendererTests
{
    private static readonly SceneObject RedCircle = new(Shape.Circle, ShapeColor.Red);

    public static TheoryData<Background> Backgrounds => [.. Enum.GetValues<Background>()];

    public static TheoryData<Shape> Shapes => [.. Enum.GetValues<Shape>()];

    [Fact]
    public void A_scene_gives_the_same_bytes_on_every_thread()
    {
        Scene[] scenes = [.. Enumerable.Range(0, 12).Select(SceneSampler.Training)];
        byte[][] once = [.. scenes.Select(s => SceneRenderer.Render(s, 96, 56, 5))];

        byte[][] again = [.. scenes.AsParallel().AsOrdered().WithDegreeOfParallelism(4).Select(s => SceneRenderer.Render(s, 96, 56, 5))];

        Assert.Equal(once, again);
    }

    [Fact]
    public void The_seed_changes_the_clip()
    {
        foreach (var background in Enum.GetValues<Background>())
        {
            var scene = new Scene(background, Motion.FadeIn, [RedCircle], 1);
            Assert.NotEqual(SceneRenderer.Render(scene, 96, 56, 1), SceneRenderer.Render(scene with { Seed = 2 }, 96, 56, 1));
        }
    }

    [Theory]
    [MemberData(nameof(Backgrounds))]
    public void Every_colour_is_its_own_at_the_centre_and_stands_out(Background background)
    {
        foreach (var shape in Enum.GetValues<Shape>())
            foreach (var color in Enum.GetValues<ShapeColor>())
            {
                var clip = new Clip(new Scene(background, Motion.Grow, [new SceneObject(shape, color)], 3), frames: 2);
                var pose = clip.Pose(1);
                var (area, _, _) = clip.Seen(1);

                Assert.Equal(Palette.Of(color), clip.Pixel(1, pose.X, pose.Y));
                // At least half of the disc of that radius: the cross is the thinnest shape.
                Assert.True(area > 0.5 * Math.PI * pose.Radius * pose.Radius, $"{color} {shape} on {background}: {area} pixels differ.");
            }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Textures_leave_the_centre_and_most_of_the_body_in_its_colour(Shape shape)
    {
        var scene = new Scene(Background.Studio, Motion.Right, [new SceneObject(shape, ShapeColor.Blue, ShapeSize.Large)], 3);
        Clip plain = new(scene), striped = new(Textured(Texture.Striped)), dotted = new(Textured(Texture.Dotted));
        var pose = plain.Pose(16);
        foreach (var textured in (Clip[])[striped, dotted])
        {
            int covered = plain.Changed(16, 40).Count(p => textured.Pixel(16, p.X, p.Y).B < plain.Pixel(16, p.X, p.Y).B - 30);
            Assert.InRange(covered, 0.15 * plain.Seen(16).Area, 0.45 * plain.Seen(16).Area);
            Assert.Equal(Palette.Of(ShapeColor.Blue), textured.Pixel(16, pose.X, pose.Y));
        }
        int different = striped.Changed(16, 40).Count(p => striped.Pixel(16, p.X, p.Y) != dotted.Pixel(16, p.X, p.Y));
        Assert.True(different > 0.2 * plain.Seen(16).Area);

        Scene Textured(Texture texture) => scene with { Objects = [scene.Objects[0] with { Texture = texture }] };
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void No_shape_goes_beyond_its_reach_or_out_of_the_picture(Shape shape)
    {
        foreach (var motion in Enum.GetValues<Motion>().Where(m => m is not (Motion.DayToNight or Motion.FadeIn)))
        {
            var clip = new Clip(new Scene(Background.BlueSky, motion, [new SceneObject(shape, ShapeColor.Red, ShapeSize.Large)], 5),
                frames: 4);
            for (int frame = 0; frame < 4; frame++)
            {
                var pose = clip.Pose(frame);
                double furthest = clip.Changed(frame, 8).Max(p => double.Hypot(p.X + 0.5 - pose.X, p.Y + 0.5 - pose.Y));
                Assert.InRange(furthest, 0.8 * pose.Radius, Motions.Reach * pose.Radius + 1);
            }
        }
    }

    [Fact]
    public void Turning_is_seen_on_every_shape_that_the_sampler_spins()
    {
        Scene[] spinning = [.. Enumerable.Range(0, 2000).Select(SceneSampler.Training).Where(s => s.Motion == Motion.Spin).Take(24)];
        Assert.Contains(spinning, s => s.Objects.Any(o => o.Shape == Shape.Circle));
        Assert.All(spinning, scene =>
        {
            var clip = new Clip(scene, frames: 17);
            for (int i = 0; i < scene.Objects.Count; i++)
            {
                var pose = clip.Pose(0, i);
                int different = 0;
                for (float y = pose.Y - pose.Radius; y < pose.Y + pose.Radius; y++)
                    for (float x = pose.X - pose.Radius; x < pose.X + pose.Radius; x++)
                        if (clip.Pixel(0, x, y) != clip.Pixel(1, x, y)) different++;
                Assert.True(different > 0.1 * pose.Radius * pose.Radius, $"{scene.Objects[i]}: {different} pixels differ after 22°.");
            }
        });
    }

    [Fact]
    public void Night_darkens_the_background_and_leaves_the_object_as_it_is()
    {
        foreach (var background in Enum.GetValues<Background>().Where(b => b != Background.StarryNight))
        {
            var clip = new Clip(new Scene(background, Motion.DayToNight, [RedCircle], 4));
            var pose = clip.Pose(0);

            Assert.Equal(clip.Pixel(0, pose.X, pose.Y), clip.Pixel(32, pose.X, pose.Y));
            Assert.True(Mean(clip, 32) < 0.45 * Mean(clip, 0), $"{background}: {Mean(clip, 0)} by day, {Mean(clip, 32)} by night.");
        }
    }

    [Fact]
    public void The_backgrounds_have_colours_of_their_own()
    {
        (Background Background, double[] Mean)[] means =
        [
            .. from background in Enum.GetValues<Background>()
               from seed in Enumerable.Range(0, 8)
               let pixels = SceneRenderer.Render(new Scene(background, Motion.FadeIn, [RedCircle], seed), 96, 56, 1)
               select (background, Enumerable.Range(0, 3).Select(c => pixels.Where((_, i) => i % 3 == c).Average(p => p)).ToArray()),
        ];
        double Distance(double[] a, double[] b) => Math.Sqrt(a.Zip(b, (x, y) => (x - y) * (x - y)).Sum());

        double within = means.SelectMany(a => means.Where(b => b.Background == a.Background).Select(b => Distance(a.Mean, b.Mean))).Max();
        double between = means.SelectMany(a => means.Where(b => b.Background != a.Background).Select(b => Distance(a.Mean, b.Mean))).Min();

        Assert.True(between > 3 * within, $"{between} between backgrounds, {within} within one.");
    }

    [Theory]
    [InlineData(64, 48)]
    [InlineData(64, 64)]
    [InlineData(128, 80)]
    [InlineData(480, 832)]
    public void Any_size_from_64_by_48_can_be_drawn(int width, int height)
    {
        var clip = SceneRenderer.Render(SceneSampler.Training(1), width, height, 2);
        Assert.Equal(2 * height * width * 3, clip.Length);
    }

    [Fact]
    public void What_cannot_be_drawn_is_refused()
    {
        var scene = new Scene(Background.Desert, Motion.Up, [RedCircle], 1);
        Assert.Throws<ArgumentOutOfRangeException>(() => SceneRenderer.Render(scene, 63, 48, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => SceneRenderer.Render(scene, 64, 47, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => SceneRenderer.Render(scene, 64, 48, 0));
        Assert.Throws<ArgumentException>(() => SceneRenderer.Render(scene with { Objects = [] }, 64, 48, 1));
        Assert.Throws<ArgumentException>(() => SceneRenderer.Render(scene with { Objects = [RedCircle, RedCircle, RedCircle] }, 64, 48, 1));
        Assert.Throws<ArgumentException>(() =>
            SceneRenderer.Render(scene with { Objects = [RedCircle, RedCircle with { Size = ShapeSize.Large }] }, 64, 48, 1));
        Assert.Throws<ArgumentException>(() =>
            SceneRenderer.Render(new Scene(Background.StarryNight, Motion.DayToNight, [RedCircle], 1), 64, 48, 1));
    }

    private static double Mean(Clip clip, int frame)
    {
        double sum = 0;
        for (int y = 0; y < Clip.Height; y++)
            for (int x = 0; x < Clip.Width; x++)
            {
                var (r, g, b) = clip.Pixel(frame, x, y);
                sum += r + g + b;
            }
        return sum / (3 * Clip.Width * Clip.Height);
    }
}
