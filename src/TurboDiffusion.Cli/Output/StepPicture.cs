using TorchSharp;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Pipelines;

namespace TurboDiffusion.Cli.Output;

/// <summary>A PNG of the video as each denoising step predicts it: frames side by side, from the first to the last.</summary>
internal sealed class StepPicture : IVideoObserver
{
    private readonly string _path;

    /// <summary>Checks the path.</summary>
    /// <param name="path">The file; it is replaced after every step.</param>
    /// <exception cref="InvalidRequestException">It is a folder, or no PNG by its name.</exception>
    public StepPicture(string path)
    {
        if (Directory.Exists(path) || !path.EndsWith(".png", StringComparison.OrdinalIgnoreCase))
            throw new InvalidRequestException("preview", $"The preview '{path}' is to be a file whose name ends in .png.");
        _path = path;
    }

    public void Preview(ClipPreview preview)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor[] frames = [.. preview.Frames().Select(chunk =>
        {
            using (chunk) return VideoFrames.FromModelOutput(chunk.squeeze(0));
        })];
        new ContactSheet([torch.cat(frames, dim: 0)]).WritePicture(_path);
    }
}
