using TurboDiffusion.ShapeWorld.Recognition;
using Xunit;

namespace TurboDiffusion.ShapeWorld.Tests;

// More scenes: TURBODIFFUSION_RECOGNITION_SCENES=1000.
public sealed class SceneRecognizerTests
{
    private const int Width = 192, Height = 112, Frames = 33;

    // Other scenes than those that the recogniser was tuned on (1 to 400).
    private const int FirstSeed = 500_000;

    private static readonly SceneReading Nothing = new(null, null, [new(null, null)]);

    private static readonly int Scenes = int.Parse(Environment.GetEnvironmentVariable("TURBODIFFUSION_RECOGNITION_SCENES") ?? "30");

    [Fact]
    public void Drawn_scenes_are_read_right() => AssertRight(0.99, (clip, _) => clip);

    [Fact]
    public void Blurred_noisy_discoloured_scenes_are_read_right() => AssertRight(0.97, Damage);

    [Fact]
    public void Scenes_of_half_the_resolution_are_read_right() => AssertRight(0.96, Halve);

    [Fact]
    public void Scenes_of_other_sizes_and_lengths_are_read_right()
    {
        foreach (var (width, height, frames) in ((int, int, int)[])[(128, 80, 17), (256, 144, 33), (192, 112, 65)])
        {
            int right = Enumerable.Range(FirstSeed, 10).Count(seed =>
            {
                Scene scene = SceneSampler.Training(seed);
                byte[] clip = SceneRenderer.Render(scene, width, height, frames);
                return SceneRecognizer.Compare(SceneRecognizer.Read(clip, width, height, frames, scene.Objects.Count), scene).All;
            });
            Assert.True(right >= 9, $"{right} of 10 right at {width}x{height}, {frames} frames");
        }
    }

    [Fact]
    public void Noise_is_nothing()
    {
        var random = new Random(1);
        byte[] noise = new byte[Frames * Height * Width * 3];
        random.NextBytes(noise);

        AssertEqual(Nothing, Read(noise));
        // Noise that stands still, in one colour channel, or faint, is nothing, either.
        for (int i = Height * Width * 3; i < noise.Length; i++) noise[i] = noise[i - Height * Width * 3];
        AssertEqual(Nothing, Read(noise));
        AssertEqual(Nothing, Read([.. noise.Select((b, i) => i % 3 == 0 ? b : (byte)128)]));
    }

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(255, 255, 255)]
    [InlineData(128, 128, 128)]
    [InlineData(255, 0, 0)]
    public void One_colour_shows_no_object_and_no_motion(byte r, byte g, byte b)
    {
        byte[] clip = new byte[Frames * Height * Width * 3];
        for (int i = 0; i < clip.Length; i += 3) (clip[i], clip[i + 1], clip[i + 2]) = (r, g, b);

        SceneReading reading = Read(clip);

        Assert.Null(reading.Motion);
        Assert.Equal(new ObjectReading(null, null), Assert.Single(reading.Objects));
    }

    [Fact]
    public void An_empty_background_shows_no_object_and_no_motion()
    {
        foreach (Background background in Enum.GetValues<Background>())
        {
            // At the start of its fading in, the object is not there.
            byte[] clip = Still(new Scene(background, Motion.FadeIn, [new(Shape.Star, ShapeColor.Red)], 5), 0);
            AssertEqual(Nothing with { Background = background }, Read(clip));
        }
    }

    [Fact]
    public void A_picture_that_stands_still_shows_no_motion()
    {
        for (int seed = FirstSeed; seed < FirstSeed + 20; seed++)
        {
            Scene scene = SceneSampler.Training(seed);
            SceneReading reading = SceneRecognizer.Read(Still(scene, 16), Width, Height, Frames, scene.Objects.Count);
            Assert.Null(reading.Motion);
        }
    }

    [Fact]
    public void Frames_in_disorder_show_no_motion()
    {
        for (int seed = FirstSeed; seed < FirstSeed + 20; seed++)
        {
            Scene scene = SceneSampler.Training(seed);
            byte[][] frames = [.. SceneRenderer.Render(scene, Width, Height, Frames).Chunk(Height * Width * 3)];
            new Random(seed).Shuffle(frames);
            SceneReading reading = SceneRecognizer.Read([.. frames.SelectMany(f => f)], Width, Height, Frames, scene.Objects.Count);
            Assert.Null(reading.Motion);
        }
    }

    [Fact]
    public void A_motion_backwards_is_the_opposite_one()
    {
        foreach (var (motion, opposite) in ((Motion, Motion)[])[(Motion.Left, Motion.Right), (Motion.Up, Motion.Down),
            (Motion.Grow, Motion.Shrink)])
        {
            var scene = new Scene(Background.Desert, motion, [new(Shape.Heart, ShapeColor.Blue)], 3);
            byte[][] frames = [.. SceneRenderer.Render(scene, Width, Height, Frames).Chunk(Height * Width * 3)];
            Assert.Equal(opposite, Read([.. frames.Reverse().SelectMany(f => f)]).Motion);
        }
    }

    [Fact]
    public void A_second_object_where_one_is_expected_makes_the_clip_wrong()
    {
        var scene = new Scene(Background.Ocean, Motion.Right, [new(Shape.Star, ShapeColor.Red), new(Shape.Star, ShapeColor.Red)], 3);
        byte[] clip = SceneRenderer.Render(scene, Width, Height, Frames);

        Assert.True(SceneRecognizer.Compare(SceneRecognizer.Read(clip, Width, Height, Frames, 2), scene).All);
        Assert.False(SceneRecognizer.Compare(Read(clip), scene with { Objects = [scene.Objects[0]] }).Shape);
    }

    [Fact]
    public void A_missing_object_makes_the_clip_wrong()
    {
        var scene = new Scene(Background.Ocean, Motion.Right, [new(Shape.Star, ShapeColor.Red)], 3);
        byte[] clip = SceneRenderer.Render(scene, Width, Height, Frames);
        Scene two = scene with { Objects = [scene.Objects[0], scene.Objects[0]] };

        SceneScore score = SceneRecognizer.Compare(SceneRecognizer.Read(clip, Width, Height, Frames, 2), two);

        Assert.Equal(new SceneScore(Shape: false, Color: false, Background: true, Motion: false), score);
    }

    [Fact]
    public void Comparing_takes_two_objects_in_either_order_but_keeps_colour_and_shape_together()
    {
        ObjectReading redStar = new(Shape.Star, ShapeColor.Red), blueHeart = new(Shape.Heart, ShapeColor.Blue);
        var scene = new Scene(Background.Ocean, Motion.Up, [new(Shape.Star, ShapeColor.Red), new(Shape.Heart, ShapeColor.Blue)], 1);

        Assert.True(Compare(redStar, blueHeart).All);
        Assert.True(Compare(blueHeart, redStar).All);
        SceneScore crossed = Compare(new(Shape.Star, ShapeColor.Blue), new(Shape.Heart, ShapeColor.Red));
        Assert.True(crossed.Shape ^ crossed.Color);

        SceneScore Compare(ObjectReading a, ObjectReading b) => SceneRecognizer.Compare(new(Background.Ocean, Motion.Up, [a, b]), scene);
    }

    [Fact]
    public void Bytes_that_are_no_clip_are_refused()
    {
        Assert.Throws<ArgumentException>(() => SceneRecognizer.Read(new byte[100], Width, Height, Frames, 1));
        Assert.Throws<ArgumentException>(() => SceneRecognizer.Read(new byte[8 * Height * Width * 3], Width, Height, 8, 1));
        Assert.Throws<ArgumentException>(() => SceneRecognizer.Read(new byte[Frames * Height * Width * 3], Width, Height, Frames, 3));
    }

    private static void AssertRight(double least, Func<byte[], int, byte[]> change)
    {
        SceneScore[] scores = [.. Enumerable.Range(FirstSeed, Scenes).AsParallel().Select(seed =>
        {
            Scene scene = SceneSampler.Training(seed);
            byte[] clip = change(SceneRenderer.Render(scene, Width, Height, Frames), seed);
            return SceneRecognizer.Compare(SceneRecognizer.Read(clip, Width, Height, Frames, scene.Objects.Count), scene);
        })];
        foreach (var (name, right) in ((string, Func<SceneScore, bool>)[])
            [("shape", s => s.Shape), ("colour", s => s.Color), ("background", s => s.Background), ("motion", s => s.Motion)])
        {
            double share = (double)scores.Count(right) / Scenes;
            TestContext.Current.TestOutputHelper?.WriteLine($"{name}: {share:0.0000} of {Scenes}");
            // Of few scenes, one may be wrong.
            Assert.True(share >= Math.Min(least, (Scenes - 1.0) / Scenes), $"{name}: {share:0.0000} right");
        }
    }

    // Blur of 3x3, another shift of each channel by up to 8 levels, and noise of up to 8 levels.
    private static byte[] Damage(byte[] clip, int seed)
    {
        var random = new Random(seed);
        int[] shift = [random.Next(-8, 9), random.Next(-8, 9), random.Next(-8, 9)];
        byte[] result = new byte[clip.Length];
        for (int i = 0; i < clip.Length; i++)
        {
            int c = i % 3, x = i / 3 % Width, y = i / 3 / Width % Height, frame = i / 3 / Width / Height, sum = 0;
            for (int dy = -1; dy <= 1; dy++)
                for (int dx = -1; dx <= 1; dx++)
                    sum += (2 - Math.Abs(dx)) * (2 - Math.Abs(dy))
                        * clip[((frame * Height + Math.Clamp(y + dy, 0, Height - 1)) * Width + Math.Clamp(x + dx, 0, Width - 1)) * 3 + c];
            result[i] = (byte)Math.Clamp(sum / 16 + shift[c] + random.Next(-8, 9), 0, 255);
        }
        return result;
    }

    // Means of 2x2 pixels, drawn large again.
    private static byte[] Halve(byte[] clip, int seed)
    {
        const int W = Width / 2, H = Height / 2;
        byte[] result = new byte[clip.Length];
        for (int i = 0; i < clip.Length; i++)
        {
            int c = i % 3, x = i / 3 % Width, y = i / 3 / Width % Height, frame = i / 3 / Width / Height;
            float fx = Math.Clamp((x - 0.5f) / 2, 0, W - 1.001f), fy = Math.Clamp((y - 0.5f) / 2, 0, H - 1.001f);
            (int x0, int y0) = ((int)fx, (int)fy);
            (fx, fy) = (fx - x0, fy - y0);
            result[i] = (byte)((Mean(x0, y0) * (1 - fx) + Mean(x0 + 1, y0) * fx) * (1 - fy)
                + (Mean(x0, y0 + 1) * (1 - fx) + Mean(x0 + 1, y0 + 1) * fx) * fy);

            float Mean(int u, int v)
            {
                int at = ((frame * Height + 2 * v) * Width + 2 * u) * 3 + c;
                return (clip[at] + clip[at + 3] + clip[at + 3 * Width] + clip[at + 3 * Width + 3]) / 4f;
            }
        }
        return result;
    }

    private static SceneReading Read(byte[] clip) => SceneRecognizer.Read(clip, Width, Height, Frames, 1);

    private static byte[] Still(Scene scene, int frame)
    {
        byte[] picture = [.. SceneRenderer.Render(scene, Width, Height, Frames).Skip(frame * Height * Width * 3).Take(Height * Width * 3)];
        return [.. Enumerable.Repeat(picture, Frames).SelectMany(p => p)];
    }

    private static void AssertEqual(SceneReading expected, SceneReading actual)
    {
        Assert.Equal((expected.Background, expected.Motion), (actual.Background, actual.Motion));
        Assert.Equal(expected.Objects, actual.Objects);
    }
}
