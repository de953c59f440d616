namespace TurboDiffusion.Extensions.AI;

/// <summary>What a model is told of the tools and their parameters; the same in every ecosystem.</summary>
internal static class ToolText
{
    public const string GenerateVideoName = "generate_video";
    public const string GenerateVideo =
        "Generates a short video clip from a text description. Can take minutes; call once for each video that is wanted.";

    public const string AnimateImageName = "animate_image";
    public const string AnimateImage =
        "Generates a short video clip that starts from an existing image. Can take minutes; call once for each video that is wanted.";

    public const string Prompt = "A detailed description of the video in one paragraph: subject, action, camera, light and style";
    public const string Motion = "A description of what moves in the image and how, and of the camera";
    public const string ImagePath = "Path of the image file to start from; it must lie inside an allowed folder";
    public const string EndImagePath =
        "Path of an image file to end with, likewise inside an allowed folder; only for models that make the video between two images";
    public const string ImageId = "Id of an image of this conversation to start from, such as image-1";
    public const string AspectRatio = "Width to height";
    public const string Duration = "Length in seconds; the nearest supported length is used";
    public const string Seed = "Random seed; reuse the seed of an earlier video, with the same description, to get it again";
    public const string EarlierVideo =
        "Id of an earlier video of this conversation, such as video-1, whose seed, size and length to reuse for a variation";
    public const string Result =
        "The URI of the saved video file with its size, length and seed, and a note where it does not show all that was asked for; or an "
            + "error to correct";
}
