using TurboDiffusion.Checkpoints;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Data;

/// <summary>
/// Videos in a folder, one <c>.safetensors</c> file each with <c>video</c> <c>[3, T, H, W]</c> in bytes, of which random crops
/// and stretches are drawn. Files are read when they are drawn.
/// </summary>
public sealed class ClipFolder : IClipData, IDisposable
{
    private readonly SafetensorsFile[] _files;
    private readonly ClipCrop _crop;

    /// <summary>Opens a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="frames">Frames to draw, 1 + 4n.</param>
    /// <param name="height">Rows to draw.</param>
    /// <param name="width">Columns to draw.</param>
    /// <exception cref="InvalidRequestException">There are no videos, or one is smaller than the crop.</exception>
    /// <exception cref="CheckpointException">A file is broken.</exception>
    public ClipFolder(string folder, int frames, int height, int width)
    {
        _crop = new ClipCrop(frames, height, width);
        string[] paths = Directory.Exists(folder) ? InputFolder.Files(folder, [".safetensors"]) : [];
        if (paths.Length == 0) throw new InvalidRequestException("data",
            $"{folder} holds no videos (.safetensors with 'video'); convert some into it first.");
        _files = [.. paths.Select(SafetensorsFile.Open)];
        foreach (SafetensorsFile file in _files)
        {
            if (!file.Tensors.TryGetValue("video", out TensorInfo? info))
                throw new CheckpointException(file.Path, "has no tensor 'video'.");
            _crop.Check([.. info.Shape], file.Path);
        }
    }

    /// <summary>Adds a video to a folder.</summary>
    /// <param name="folder">The folder; made if it does not exist.</param>
    /// <param name="name">The file's name without ending; unique.</param>
    /// <param name="video"><c>[3, T, H, W]</c>, bytes.</param>
    public static void Add(string folder, string name, Tensor video) =>
        SafetensorsWriter.Write(Path.Combine(folder, name + ".safetensors"), [TensorSource.From("video", video)]);

    /// <inheritdoc/>
    public ClipBatch Draw(int count, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        return new ClipBatch(stack([.. RandomIndices.Draw(random, count, _files.Length).Select(i => Cut(_files[i], random))])
            .MoveToOuterDisposeScope());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SafetensorsFile file in _files) file.Dispose();
    }

    private Tensor Cut(SafetensorsFile file, IRandomSource random)
    {
        using Tensor video = file.Read("video");
        return _crop.Cut(video, _crop.Place(video.shape, random));
    }
}
