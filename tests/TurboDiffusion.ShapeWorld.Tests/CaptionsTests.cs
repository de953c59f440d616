using Xunit;

namespace TurboDiffusion.ShapeWorld.Tests;

public sealed class CaptionsTests
{
    private const int Draws = 20_000;

    private static readonly (Scene Scene, string Text)[] Drawn =
        [.. Enumerable.Range(0, Draws).AsParallel().AsOrdered().Select(SceneSampler.Training)
            .Select((s, i) => (s, Captions.Describe(s, i)))];

    [Fact]
    public void A_caption_says_all_that_the_scene_shows() =>
        Assert.All(Drawn, d => Assert.Equal(d.Scene, Captions.Parse(d.Text, d.Scene.Seed)));

    [Fact]
    public void A_caption_is_short_lower_case_and_from_the_vocabulary()
    {
        var words = Captions.Vocabulary.ToHashSet();
        Assert.All(Drawn, d =>
        {
            string[] said = d.Text.Replace(",", "").Split(' ');
            Assert.InRange(said.Length, 4, 24);
            Assert.Subset(words, said.ToHashSet());
        });
        Assert.Equal(words.Count, Drawn.SelectMany(d => d.Text.Replace(",", "").Split(' ')).Distinct().Count());
        Assert.InRange(words.Count, 100, 199);
        Assert.Equal(Captions.Vocabulary.Order(StringComparer.Ordinal), Captions.Vocabulary);
    }

    [Fact]
    public void A_scene_has_many_captions_and_a_seed_gives_one()
    {
        var scene = new Scene(Background.BlueSky, Motion.Bounce, [new SceneObject(Shape.Cross, ShapeColor.Orange, ShapeSize.Large)], 1);
        Assert.InRange(Enumerable.Range(0, 500).Select(i => Captions.Describe(scene, i)).Distinct().Count(), 200, 500);
        Assert.Equal(Captions.Describe(scene, 5), Captions.Describe(scene, 5));
    }

    [Fact]
    public void Articles_fit_their_words()
    {
        Assert.All(Drawn, d => Assert.DoesNotMatch(@"\ba [aeio]|\ban [^aeio]", d.Text));
        Assert.Contains(Drawn, d => d.Text.Contains("an orange "));
        Assert.Contains(Drawn, d => d.Text.Contains("two "));
    }

    [Fact]
    public void The_prompt_of_the_readme_is_in_the_language()
    {
        var scene = Captions.Parse("A large red circle bounces across a starry night sky.");
        var expected = new Scene(
            Background.StarryNight, Motion.Bounce, [new SceneObject(Shape.Circle, ShapeColor.Red, ShapeSize.Large)], 0);

        Assert.Equal(expected, scene);
        Assert.Contains(
            "a large red circle bounces across a starry night sky", Enumerable.Range(0, 5000).Select(i => Captions.Describe(expected, i)));
    }

    [Theory]
    [InlineData("a star in the ocean")]
    [InlineData("a red star in the ocean")]
    [InlineData("a red star rises")]
    [InlineData("a red star rests as day turns to night under a starry sky")]
    [InlineData("a large red star and a blue star rise over the ocean")]
    [InlineData("a red star and a blue star and a green star rise over the ocean")]
    [InlineData("")]
    public void What_is_no_scene_of_this_world_is_not_read(string text) => Assert.Null(Captions.Parse(text));
}
