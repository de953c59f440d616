namespace TurboDiffusion.ShapeWorld;

/// <summary>The words of the captions.</summary>
internal static class Phrases
{
    /// <summary>A verb in the forms "it rises", "they rise", "rising".</summary>
    public readonly record struct Verb(string Singular, string Plural, string Participle);

    /// <summary>A place and the words that may stand before it.</summary>
    public readonly record struct Place(string Noun, params string[] Prepositions);

    /// <summary>Prepositions too, with the motions that lead through the picture.</summary>
    public static readonly Motion[] Crossing = [Motion.Right, Motion.Left, Motion.Bounce];

    /// <summary>Before every place, with <see cref="Crossing"/>.</summary>
    public const string Across = "across";

    public static readonly string[] Templates =
    [
        "{subject} {verb} {in} {place}",
        "{subject} {verb} {in} {place}",
        "{subject} {verb} {in} {place}",
        "{in} {place} {subject} {verb}",
        "{in} {place}, {subject} {verb}",
        "{subject} {is} {participle} {in} {place}",
        "{subject} {participle} {in} {place}",
        "{place} with {subject} {participle}",
        "{place} where {subject} {verb}",
        "{place}, {subject} {verb}",
        "there {is} {subject} {participle} {in} {place}",
        "{subject} that {verb} {in} {place}",
        "a video of {subject} that {verb} {in} {place}",
        "a video of {subject} {participle} {in} {place}",
        "{in} {place} there {is} {subject} {participle}",
    ];

    public static string[] Size(ShapeSize size) => size switch
    {
        ShapeSize.Small => ["small", "small", "little", "tiny"],
        ShapeSize.Medium => ["medium", "medium sized"],
        _ => ["large", "large", "big", "huge"],
    };

    // Before the colour, and after the shape.
    public static (string[] Before, string After) Texture(Texture texture) => texture switch
    {
        ShapeWorld.Texture.Plain => (["plain"], ""),
        ShapeWorld.Texture.Striped => (["striped"], "with stripes"),
        _ => (["dotted", "spotted"], "with dots"),
    };

    public static (string One, string Many) Shape(Shape shape) => shape switch
    {
        ShapeWorld.Shape.Circle => ("circle", "circles"),
        ShapeWorld.Shape.Square => ("square", "squares"),
        ShapeWorld.Shape.Triangle => ("triangle", "triangles"),
        ShapeWorld.Shape.Star => ("star", "stars"),
        ShapeWorld.Shape.Heart => ("heart", "hearts"),
        _ => ("cross", "crosses"),
    };

    public static string Color(ShapeColor color) => color.ToString().ToLowerInvariant();

    public static Place[] Places(Background background) => background switch
    {
        Background.StarryNight =>
        [
            new("a starry night sky", "in", "against", "under"),
            new("a starry sky at night", "in", "against", "under"),
            new("a night sky full of stars", "in", "against", "under"),
            new("a starry sky", "in", "against", "under"),
        ],
        Background.BlueSky =>
        [
            new("a bright blue sky", "in", "against", "under"),
            new("a blue sky with clouds", "in", "against", "under"),
            new("a cloudy blue sky", "in", "against", "under"),
            new("a blue sky", "in", "against", "under"),
        ],
        Background.Meadow =>
        [
            new("a green meadow", "over", "above", "in"),
            new("a grassy meadow", "over", "above", "in"),
            new("green hills", "over", "above", "in front of"),
            new("a meadow", "over", "above", "in"),
        ],
        Background.Desert =>
        [
            new("a sandy desert", "over", "above", "in"),
            new("desert dunes", "over", "above", "in front of"),
            new("the dunes of a desert", "over", "above", "in front of"),
            new("a desert", "over", "above", "in"),
        ],
        Background.Ocean =>
        [
            new("a calm ocean", "over", "above", "in front of"),
            new("ocean waves", "over", "above", "in front of"),
            new("the waves of the sea", "over", "above", "in front of"),
            new("the ocean", "over", "above", "in front of"),
        ],
        Background.Mountains =>
        [
            new("misty mountains", "over", "above", "in front of"),
            new("a row of mountains", "over", "above", "in front of"),
            new("hazy mountains", "over", "above", "in front of"),
            new("the mountains", "over", "above", "in front of"),
        ],
        _ =>
        [
            new("a grey studio", "in", "inside"),
            new("a gray studio", "in", "inside"),
            new("a quiet studio", "in", "inside"),
            new("a grey wall in a studio", "in front of", "against"),
            new("a studio", "in", "inside"),
        ],
    };

    public static Verb[] Verbs(Motion motion) => motion switch
    {
        Motion.Right =>
        [
            new("slides to the right", "slide to the right", "sliding to the right"),
            new("moves right", "move right", "moving right"),
            new("glides to the right", "glide to the right", "gliding to the right"),
            new("moves from left to right", "move from left to right", "moving from left to right"),
        ],
        Motion.Left =>
        [
            new("slides to the left", "slide to the left", "sliding to the left"),
            new("moves left", "move left", "moving left"),
            new("glides to the left", "glide to the left", "gliding to the left"),
            new("moves from right to left", "move from right to left", "moving from right to left"),
        ],
        Motion.Up =>
        [
            new("rises", "rise", "rising"),
            new("floats up", "float up", "floating up"),
            new("moves up", "move up", "moving up"),
            new("rises slowly", "rise slowly", "slowly rising"),
        ],
        Motion.Down =>
        [
            new("falls", "fall", "falling"),
            new("sinks", "sink", "sinking"),
            new("moves down", "move down", "moving down"),
            new("falls slowly", "fall slowly", "slowly falling"),
        ],
        Motion.Bounce =>
        [
            new("bounces", "bounce", "bouncing"),
            new("hops", "hop", "hopping"),
            new("bounces along", "bounce along", "bouncing along"),
        ],
        Motion.Orbit =>
        [
            new("goes round and round", "go round and round", "going round and round"),
            new("orbits", "orbit", "orbiting"),
            new("moves in a ring", "move in a ring", "moving in a ring"),
            new("travels round in a loop", "travel round in a loop", "traveling round in a loop"),
        ],
        Motion.Spin =>
        [
            new("spins in place", "spin in place", "spinning in place"),
            new("spins", "spin", "spinning"),
            new("rotates", "rotate", "rotating"),
            new("turns in place", "turn in place", "turning in place"),
        ],
        Motion.Grow =>
        [
            new("grows", "grow", "growing"),
            new("gets bigger", "get bigger", "getting bigger"),
            new("grows slowly", "grow slowly", "slowly growing"),
        ],
        Motion.Shrink =>
        [
            new("shrinks", "shrink", "shrinking"),
            new("gets smaller", "get smaller", "getting smaller"),
            new("shrinks slowly", "shrink slowly", "slowly shrinking"),
        ],
        Motion.FadeIn =>
        [
            new("fades in", "fade in", "fading in"),
            new("appears slowly", "appear slowly", "slowly appearing"),
            new("fades into view", "fade into view", "fading into view"),
        ],
        _ =>
        [
            new("rests as day turns to night", "rest as day turns to night", "resting as day turns to night"),
            new("stays still while it gets dark", "stay still while it gets dark", "staying still while it gets dark"),
            new("waits as night comes", "wait as night comes", "waiting as night comes"),
        ],
    };
}
