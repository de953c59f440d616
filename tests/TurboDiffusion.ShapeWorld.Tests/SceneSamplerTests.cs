using Xunit;

namespace TurboDiffusion.ShapeWorld.Tests;

public sealed class SceneSamplerTests
{
    private const int Draws = 50_000;

    private static readonly Scene[] Training = [.. Enumerable.Range(0, Draws).AsParallel().AsOrdered().Select(SceneSampler.Training)];

    [Fact]
    public void Training_never_shows_a_held_out_combination() =>
        Assert.DoesNotContain(Training, HeldOut.Contains);

    [Fact]
    public void About_8_percent_of_the_combinations_are_held_out()
    {
        int all = 0, held = 0;
        foreach (var shape in Enum.GetValues<Shape>())
            foreach (var color in Enum.GetValues<ShapeColor>())
                foreach (var background in Enum.GetValues<Background>())
                    foreach (var motion in Enum.GetValues<Motion>())
                        (all, held) = (all + 1, held + (HeldOut.Contains(shape, color, background, motion) ? 1 : 0));

        Assert.InRange((double)held / all, 0.07, 0.09);
    }

    [Fact]
    public void Every_attribute_is_drawn_evenly()
    {
        var objects = Training.SelectMany(s => s.Objects).ToArray();
        Even(objects.Select(o => o.Shape));
        Even(objects.Select(o => o.Color));
        Even(Training.Where(s => s.Objects.Count == 1).Select(s => s.Objects[0].Size));
        Even(objects.Select(o => o.Texture));
        // DayToNight has no StarryNight, so both are a seventh or less rarer.
        Even(Training.Select(s => s.Background));
        Even(Training.Select(s => s.Motion));
        Assert.InRange(Training.Count(s => s.Objects.Count == 2) / (double)Draws, 0.24, 0.26);
    }

    [Fact]
    public void Training_shows_every_pair_of_attributes()
    {
        (Shape, ShapeColor, Background, Motion)[] seen =
            [.. Training.SelectMany(s => s.Objects.Select(o => (o.Shape, o.Color, s.Background, s.Motion)))];

        Assert.Equal(6 * 8, seen.Select(s => (s.Item1, s.Item2)).Distinct().Count());
        Assert.Equal(6 * 7, seen.Select(s => (s.Item1, s.Item3)).Distinct().Count());
        Assert.Equal(6 * 11, seen.Select(s => (s.Item1, s.Item4)).Distinct().Count());
        Assert.Equal(8 * 7, seen.Select(s => (s.Item2, s.Item3)).Distinct().Count());
        Assert.Equal(8 * 11, seen.Select(s => (s.Item2, s.Item4)).Distinct().Count());
        Assert.Equal(7 * 11 - 1, seen.Select(s => (s.Item3, s.Item4)).Distinct().Count());
    }

    [Fact]
    public void Held_out_scenes_are_what_training_does_not_show()
    {
        var scenes = SceneSampler.HeldOutScenes(500, 1);

        Assert.Equal(500, scenes.Distinct().Count());
        Assert.All(scenes, s => Assert.True(HeldOut.Contains(s.Objects[0].Shape, s.Objects[0].Color, s.Background, s.Motion)));
        Assert.Empty(scenes.Intersect(Training));
        Assert.Equal(scenes, SceneSampler.HeldOutScenes(500, 1));
        Assert.NotEqual(scenes, SceneSampler.HeldOutScenes(500, 2));
        Assert.Equal(scenes.Take(20), SceneSampler.HeldOutScenes(20, 1));
    }

    [Fact]
    public void A_seed_gives_one_scene_for_ever()
    {
        Assert.Equal(Training[7], SceneSampler.Training(7));
        Assert.NotEqual(Training[7], Training[8]);
        // A model's training data must not change unnoticed: these were drawn when the sampler was written.
        Assert.Equal(
            "Desert FadeIn 940383362 Small Plain Orange Heart; Studio Spin 125018949 Large Plain Green Heart",
            string.Join("; ", Training.Take(2).Select(s =>
                $"{s.Background} {s.Motion} {s.Seed} "
                    + $"{string.Join(" + ", s.Objects.Select(o => $"{o.Size} {o.Texture} {o.Color} {o.Shape}"))}")));
    }

    [Fact]
    public void A_spinning_circle_is_never_plain() =>
        Assert.DoesNotContain(
            Training.Where(s => s.Motion == Motion.Spin).SelectMany(s => s.Objects),
            o => o is { Shape: Shape.Circle, Texture: Texture.Plain });

    private static void Even<T>(IEnumerable<T> values) where T : struct, Enum
    {
        var counts = values.CountBy(v => v).ToDictionary();
        double mean = counts.Values.Average();
        Assert.Equal(Enum.GetValues<T>().Length, counts.Count);
        Assert.All(counts, c => Assert.InRange(c.Value, 0.82 * mean, 1.18 * mean));
    }
}
