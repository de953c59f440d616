using System.Text.RegularExpressions;

namespace TurboDiffusion.ShapeWorld;

/// <summary>Reads captions back.</summary>
internal static class CaptionParser
{
    private static readonly Dictionary<string, Background> Places =
        Table<Background>(b => Phrases.Places(b).Select(place => WithoutArticle(place.Noun)));

    private static readonly Dictionary<string, Motion> Verbs =
        Table<Motion>(m => Phrases.Verbs(m).SelectMany(v => (string[])[v.Singular, v.Plural, v.Participle]));

    private static readonly Dictionary<string, ShapeSize> Sizes = Table<ShapeSize>(Phrases.Size);

    private static readonly Dictionary<string, Texture> Textures =
        Table<Texture>(t => [.. Phrases.Texture(t).Before, Phrases.Texture(t).After]);

    private static readonly Dictionary<string, ShapeColor> Colors = Table<ShapeColor>(c => [Phrases.Color(c)]);

    private static readonly Dictionary<string, Shape> Shapes = Table<Shape>(s => [Phrases.Shape(s).One, Phrases.Shape(s).Many]);

    private static readonly Regex Place = Words(Any("place", Places));

    private static readonly Regex Verb = Words(Any("verb", Verbs));

    // The colour stands right before the shape: that tells a star from the stars of the sky.
    private static readonly Regex Object = Words(
        $"(?<two>two )?({Any("size", Sizes)} )?({Any("texture", Textures)} )?{Any("color", Colors)} {Any("shape", Shapes)}"
            + $"( {Any("texture", Textures)})?");

    public static Scene? Parse(string caption, int seed)
    {
        string text = caption.ToLowerInvariant();
        List<SceneObject> objects = [];
        foreach (Match match in Object.Matches(text))
        {
            var found = new SceneObject(
                Shapes[match.Groups["shape"].Value],
                Colors[match.Groups["color"].Value],
                Sizes.GetValueOrDefault(match.Groups["size"].Value, ShapeSize.Medium),
                Textures.GetValueOrDefault(match.Groups["texture"].Value, Texture.Plain));
            objects.Add(found);
            if (match.Groups["two"].Success) objects.Add(found);
        }
        Match place = Place.Match(text), verb = Verb.Match(text);
        if (objects.Count is not (1 or 2) || !place.Success || !verb.Success) return null;
        var scene = new Scene(Places[place.Value], Verbs[verb.Value], objects, seed);
        return scene.Objection() is null ? scene : null;
    }

    private static Dictionary<string, T> Table<T>(Func<T, IEnumerable<string>> phrases) where T : struct, Enum =>
        Enum.GetValues<T>()
            .SelectMany(value => phrases(value).Where(phrase => phrase.Length > 0).Distinct().Select(phrase => (phrase, value)))
            .ToDictionary(pair => pair.phrase, pair => pair.value);

    // The longest first: "a blue sky with clouds" before "a blue sky".
    private static string Any<T>(string name, Dictionary<string, T> table) =>
        $"(?<{name}>{string.Join('|', table.Keys.OrderByDescending(phrase => phrase.Length))})";

    private static Regex Words(string pattern) => new($@"\b{pattern}\b", RegexOptions.CultureInvariant);

    private static string WithoutArticle(string noun) =>
        noun.Split(' ', 2) is ["a" or "the", var rest] ? rest : noun;
}
