namespace TurboDiffusion.AspNetCore.Endpoints;

/// <summary>What a field of a request holds.</summary>
internal enum RequestFieldKind
{
    /// <summary>Text.</summary>
    Text,

    /// <summary>A whole number.</summary>
    Integer,

    /// <summary>A number.</summary>
    Number,

    /// <summary>A JPEG, PNG or WebP file; in JSON a data URL.</summary>
    Image,
}

/// <summary>
/// A field of the request for a video: the one place of its name, its bounds and what is said of it, for the reader and for the document
/// of the API. The first ones are OpenAI's, the others our own.
/// </summary>
/// <param name="Name">As it is sent.</param>
/// <param name="Kind">What it holds.</param>
/// <param name="Description">For the document.</param>
/// <param name="Least">The smallest number.</param>
/// <param name="Most">The largest number, or of a text the most characters, by the service's options.</param>
internal sealed record RequestField(
    string Name, RequestFieldKind Kind, string Description, decimal Least = 0, Func<VideoServiceOptions, decimal>? Most = null)
{
    public const string Prompt = "prompt";
    public const string Size = "size";

    /// <summary>All of them, in the order in which the document has them.</summary>
    public static IReadOnlyList<RequestField> All { get; } =
    [
        new(Prompt, RequestFieldKind.Text, "What the video shows.", Most: options => options.MaxPromptLength),
        new("model", RequestFieldKind.Text, "One of /models; the first of them where it is left out.", Most: _ => 200),
        new("seconds", RequestFieldKind.Number, "How long it plays; the nearest length that the model supports is made.", 0.01m, _ => 3600),
        new(Size, RequestFieldKind.Text, "Width and height in pixels, such as 832x480; the model's own where it is left out.",
            Most: _ => 16),
        new(UploadedImage.StartField, RequestFieldKind.Image, "The image to start from, for models that take one."),
        new(UploadedImage.EndField, RequestFieldKind.Image, "The image to end with, for models that make the video between two."),
        new("negative_prompt", RequestFieldKind.Text, "What it does not show; counts with guidance alone.",
            Most: options => options.MaxPromptLength),
        new("aspect_ratio", RequestFieldKind.Text, "Width to height, such as 16:9, where no size is given.", Most: _ => 16),
        new("frames", RequestFieldKind.Integer, "Frames, 4k + 1 for most models, where no seconds are given.", 1,
            options => options.MaxFrames),
        new("fps", RequestFieldKind.Number, "Frames per second of playback.", 1, _ => 120),
        new("steps", RequestFieldKind.Integer, "Denoising steps.", 1, options => options.MaxSteps),
        new("guidance_scale", RequestFieldKind.Number, "Classifier-free guidance; 1 is none.", 0, _ => 100),
        new("seed", RequestFieldKind.Integer, "The same seed gives the same video; a random one where it is left out.", 0,
            _ => long.MaxValue),
    ];

    /// <summary>The field of a name.</summary>
    public static RequestField Of(string name) => All.First(field => field.Name == name);

    /// <summary>Whether there is a field of a name.</summary>
    public static bool Exists(string name) => All.Any(field => field.Name == name);
}
