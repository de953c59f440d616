namespace TurboDiffusion.ShapeWorld;

/// <summary>
/// Says in English what a scene shows: lower case, no full stop, 24 words at most, from a closed list of words.
/// </summary>
/// <remarks>
/// Every caption says shape and colour of each object, background and motion; the size unless it is medium, and the texture
/// unless it is plain. Those are said now and then.
/// </remarks>
public static class Captions
{
    private const int MostWords = 24;

    private static readonly Lazy<IReadOnlyList<string>> Words = new(CollectWords);

    /// <summary>Every word that a caption can contain, sorted. Captions also contain commas.</summary>
    public static IReadOnlyList<string> Vocabulary => Words.Value;

    /// <summary>One of the many captions of a scene.</summary>
    /// <param name="scene">The scene.</param>
    /// <param name="seed">Chooses the words.</param>
    /// <exception cref="ArgumentException">The scene cannot be drawn: see <see cref="SceneRenderer.Render"/>.</exception>
    public static string Describe(Scene scene, int seed)
    {
        ArgumentNullException.ThrowIfNull(scene);
        scene.Check();
        var random = SceneRandom.For(seed, 5);
        while (true)
        {
            string caption = Draw(scene, random);
            if (caption.Count(c => c == ' ') < MostWords) return caption;
        }
    }

    /// <summary>The scene that a caption describes: what <see cref="Describe"/> was given, but for the seed.</summary>
    /// <param name="caption">A caption; the parts count, not their order.</param>
    /// <param name="seed">The seed of the scene.</param>
    /// <returns>Null where a part is missing, or is not in the language of the captions.</returns>
    public static Scene? Parse(string caption, int seed = 0)
    {
        ArgumentNullException.ThrowIfNull(caption);
        return CaptionParser.Parse(caption, seed);
    }

    private static string Draw(Scene scene, SceneRandom random)
    {
        bool many = scene.Objects.Count == 2;
        var verb = random.Of(Phrases.Verbs(scene.Motion));
        var place = random.Of(Phrases.Places(scene.Background));
        bool across = Phrases.Crossing.Contains(scene.Motion) && random.Chance(0.4f);
        string preposition = across ? Phrases.Across : random.Of(place.Prepositions);
        return random.Of(Phrases.Templates)
            .Replace("{subject}", Subject(scene.Objects, random))
            .Replace("{verb}", many ? verb.Plural : verb.Singular)
            .Replace("{participle}", verb.Participle)
            .Replace("{is}", many ? "are" : "is")
            .Replace("{in}", preposition)
            .Replace("{place}", place.Noun);
    }

    private static string Subject(IReadOnlyList<SceneObject> objects, SceneRandom random)
    {
        if (objects.Count == 1) return WithArticle(Noun(objects[0], many: false, random));
        if (objects[0] == objects[1]) return "two " + Noun(objects[0], many: true, random);
        return WithArticle(Noun(objects[0], many: false, random)) + " and " + WithArticle(Noun(objects[1], many: false, random));
    }

    private static string Noun(SceneObject o, bool many, SceneRandom random)
    {
        var (before, after) = Phrases.Texture(o.Texture);
        bool saySize = o.Size != ShapeSize.Medium || random.Chance(0.1f);
        bool sayTexture = o.Texture != Texture.Plain || random.Chance(0.1f);
        bool sayAfter = after.Length > 0 && random.Chance(0.2f);
        var (one, more) = Phrases.Shape(o.Shape);
        string[] words =
        [
            saySize ? random.Of(Phrases.Size(o.Size)) : "",
            sayTexture && !sayAfter ? random.Of(before) : "",
            Phrases.Color(o.Color),
            many ? more : one,
            sayAfter ? after : "",
        ];
        return string.Join(' ', words.Where(word => word.Length > 0));
    }

    private static string WithArticle(string noun) => ("aeio".Contains(noun[0]) ? "an " : "a ") + noun;

    private static IReadOnlyList<string> CollectWords()
    {
        IEnumerable<string> phrases =
        [
            "a an and two is are", Phrases.Across,
            .. Phrases.Templates.Select(t => string.Join(' ', t.Split(' ').Where(word => !word.StartsWith('{')))),
            .. Enum.GetValues<ShapeSize>().SelectMany(Phrases.Size),
            .. Enum.GetValues<Texture>().SelectMany(t => (string[])[.. Phrases.Texture(t).Before, Phrases.Texture(t).After]),
            .. Enum.GetValues<ShapeColor>().Select(Phrases.Color),
            .. Enum.GetValues<Shape>().SelectMany(s => (string[])[Phrases.Shape(s).One, Phrases.Shape(s).Many]),
            .. Enum.GetValues<Background>().SelectMany(Phrases.Places).SelectMany(p => (string[])[p.Noun, .. p.Prepositions]),
            .. Enum.GetValues<Motion>().SelectMany(Phrases.Verbs).SelectMany(v => (string[])[v.Singular, v.Plural, v.Participle]),
        ];
        return
        [
            .. phrases.SelectMany(p => p.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Distinct()
                .Order(StringComparer.Ordinal),
        ];
    }
}
