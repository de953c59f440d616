using System.Text.RegularExpressions;

namespace TurboDiffusion.ShapeWorld;

/// <summary>Reads captions back.</summary>
internal static class CaptionParser
{
    private static readonly (string Phrase, Background Value)[] Places =
        Longest<Background>(b => Phrases.Places(b).Select(place => WithoutArticle(place.Noun)));

    private static readonly (string Phrase, Motion Value)[] Verbs =
        Longest<Motion>(m => Phrases.Verbs(m).SelectMany(v => (string[])[v.Singular, v.Plural, v.Participle]));

    private static readonly (string Phrase, ShapeSize Value)[] Sizes = Longest<ShapeSize>(Phrases.Size);

    private static readonly (string Phrase, Texture Value)[] Textures =
        Longest<Texture>(t => [.. Phrases.Texture(t).Before, Phrases.Texture(t).After]);

    // The colour stands right before the shape: that tells a star from the stars of the sky.
    private static readonly Regex Object = new(
        $@"\b(?<two>two )?(?:(?<size>{Any(Sizes)}) )?(?:(?<texture>{Any(Textures)}) )?(?<color>{Colors()}) (?<shape>{Shapes()})"
            + $"(?: (?<texture>{Any(Textures)}))?\\b",
        RegexOptions.CultureInvariant);

    public static Scene? Parse(string caption, int seed)
    {
        string text = caption.ToLowerInvariant();
        List<SceneObject> objects = [];
        foreach (Match match in Object.Matches(text))
        {
            string shape = match.Groups["shape"].Value;
            var found = new SceneObject(
                Enum.GetValues<Shape>().Single(s => Phrases.Shape(s).One == shape || Phrases.Shape(s).Many == shape),
                Enum.GetValues<ShapeColor>().Single(c => Phrases.Color(c) == match.Groups["color"].Value),
                match.Groups["size"].Success ? Find(Sizes, match.Groups["size"].Value)!.Value : ShapeSize.Medium,
                match.Groups["texture"].Success ? Find(Textures, match.Groups["texture"].Value)!.Value : Texture.Plain);
            objects.Add(found);
            if (match.Groups["two"].Success) objects.Add(found);
        }
        if (objects.Count is not (1 or 2) || Find(Places, text) is not { } place || Find(Verbs, text) is not { } motion)
            return null;
        if (objects.Count == 2 && objects.Any(o => o.Size == ShapeSize.Large)) return null;
        if (place == Background.StarryNight && motion == Motion.DayToNight) return null;
        return new Scene(place, motion, objects, seed);
    }

    // The longest phrase that the text contains, as whole words: "moves from left to right" before "moves".
    private static T? Find<T>((string Phrase, T Value)[] phrases, string text) where T : struct
    {
        foreach (var (phrase, value) in phrases)
            if (Regex.IsMatch(text, $@"\b{phrase}\b", RegexOptions.CultureInvariant)) return value;
        return null;
    }

    private static (string Phrase, T Value)[] Longest<T>(Func<T, IEnumerable<string>> phrases) where T : struct, Enum =>
        [.. Enum.GetValues<T>()
            .SelectMany(value => phrases(value).Where(phrase => phrase.Length > 0).Distinct().Select(phrase => (phrase, value)))
            .OrderByDescending(pair => pair.phrase.Length)];

    private static string Any<T>((string Phrase, T Value)[] phrases) => string.Join('|', phrases.Select(p => p.Phrase));

    private static string Colors() => string.Join('|', Enum.GetValues<ShapeColor>().Select(Phrases.Color));

    private static string Shapes() =>
        string.Join('|', Enum.GetValues<Shape>().SelectMany(s => (string[])[Phrases.Shape(s).Many, Phrases.Shape(s).One]));

    private static string WithoutArticle(string noun) =>
        noun.StartsWith("a ", StringComparison.Ordinal) ? noun[2..] : noun.StartsWith("the ", StringComparison.Ordinal) ? noun[4..] : noun;
}
