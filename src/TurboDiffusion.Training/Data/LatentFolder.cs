using TurboDiffusion.Checkpoints;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Networks;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Data;

/// <summary>
/// Encoded videos in a folder: one <c>.safetensors</c> file per video with <c>latents</c> <c>[C, T, H, W]</c>, <c>text</c>
/// <c>[L, D]</c> and, for image-to-video, <c>image</c> <c>[20, T, H, W]</c> and, for a model with an image branch,
/// <c>image_tokens</c> <c>[tokens, width]</c>; and <c>negative.safetensors</c> with the <c>text</c> of the empty or negative prompt. Files
/// are read when they are drawn.
/// </summary>
public sealed class LatentFolder : ILatentData
{
    private const string NegativeFile = "negative.safetensors", LatentsName = "latents", TextName = "text", ImageName = "image",
        ImageTokensName = "image_tokens";

    private readonly string _folder;
    private readonly string[] _files;

    /// <summary>Lists a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="InvalidRequestException">It does not exist, or holds no encoded videos or no negative prompt.</exception>
    public LatentFolder(string folder)
    {
        _folder = folder;
        _files = Directory.Exists(folder)
            ? [.. InputFolder.Files(folder, [".safetensors"]).Where(f => Path.GetFileName(f) != NegativeFile)]
            : throw new InvalidRequestException("data", $"There is no folder {folder}; give the folder of the encoded videos.");
        if (_files.Length == 0 || !File.Exists(Path.Combine(folder, NegativeFile)))
            throw new InvalidRequestException("data",
                $"{folder} holds {_files.Length} encoded videos{(_files.Length == 0 ? "" : $" but no {NegativeFile}")}; encode a data set "
                    + "into it first.");
    }

    /// <summary>The number of videos.</summary>
    public int Count => _files.Length;

    /// <summary>Adds a video to a folder.</summary>
    /// <param name="folder">The folder; made if it does not exist.</param>
    /// <param name="name">The file's name without ending; unique.</param>
    /// <param name="latents">Normalised latents, <c>[C, T, H, W]</c>.</param>
    /// <param name="text">The encoded caption, <c>[L, D]</c>.</param>
    /// <param name="image">Image-to-video: mask and latents of the given frames, <c>[20, T, H, W]</c>.</param>
    /// <param name="imageTokens">Models with an image branch: the image encoder's tokens, <c>[tokens, width]</c>.</param>
    public static void Add(
        string folder, string name, Tensor latents, Tensor text, Tensor? image = null, Tensor? imageTokens = null)
    {
        List<TensorSource> tensors = [TensorSource.From(LatentsName, latents), TensorSource.From(TextName, text)];
        if (image is not null) tensors.Add(TensorSource.From(ImageName, image));
        if (imageTokens is not null) tensors.Add(TensorSource.From(ImageTokensName, imageTokens));
        SafetensorsWriter.Write(Path.Combine(folder, name + ".safetensors"), tensors);
    }

    /// <summary>Writes the condition that guidance steers away from.</summary>
    /// <param name="folder">The folder; made if it does not exist.</param>
    /// <param name="text">The encoded empty or negative prompt, <c>[L, D]</c>.</param>
    public static void SetNegative(string folder, Tensor text) =>
        SafetensorsWriter.Write(Path.Combine(folder, NegativeFile),
            [TensorSource.From(TextName, text)]);

    /// <inheritdoc/>
    /// <exception cref="CheckpointException">A file is broken, or its sizes differ from those of the others.</exception>
    public LatentBatch Draw(int count, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        string[] chosen = [.. RandomIndices.Draw(random, count, _files.Length).Select(i => _files[i])];
        Tensor latents = Stack(chosen, LatentsName), text = Stack(chosen, TextName);
        Tensor? image = StackWhereGiven(chosen, ImageName), imageTokens = StackWhereGiven(chosen, ImageTokensName);
        Tensor negative = Stack([Path.Combine(_folder, NegativeFile)], TextName).repeat(count, 1, 1);
        image?.MoveToOuterDisposeScope();
        imageTokens?.MoveToOuterDisposeScope();
        return new LatentBatch(
            latents.MoveToOuterDisposeScope(),
            new Condition(text.MoveToOuterDisposeScope(), image, imageTokens),
            new Condition(negative.MoveToOuterDisposeScope(), image, imageTokens));
    }

    /// <summary>Checks, on the first video, that a model can be trained on such data.</summary>
    /// <param name="model">The model's dimensions.</param>
    /// <exception cref="CheckpointException">The data was encoded for a model of another kind.</exception>
    internal void CheckFor(WanConfig model)
    {
        using SafetensorsFile file = SafetensorsFile.Open(_files[0]);
        Check(LatentsName, 4, 0, model.OutDim);
        Check(TextName, 2, 1, model.TextDim);
        Check(ImageName, 4, 0, model.InDim - model.OutDim);
        Check(ImageTokensName, 2, 1, model.ImageDim);

        // A size of zero: the model does not take it.
        void Check(string name, int rank, int axis, int size)
        {
            TensorInfo? info = file.Tensors.GetValueOrDefault(name);
            if (info is null ? size == 0 : info.Shape.Count == rank && info.Shape[axis] == size) return;
            throw new CheckpointException(_files[0],
                $"has {(info is null ? $"no '{name}'" : $"'{name}' of {info}")}, and the model takes "
                    + $"{(size == 0 ? "none" : $"{size} {(rank == 4 ? "channels" : "values a row")} of it")}. Encode the videos with the "
                    + "model that is trained.");
        }
    }

    private static Tensor? StackWhereGiven(string[] files, string name)
    {
        using (SafetensorsFile first = SafetensorsFile.Open(files[0]))
            if (!first.Tensors.ContainsKey(name)) return null;
        return Stack(files, name);
    }

    private static Tensor Stack(string[] files, string name)
    {
        var tensors = new List<Tensor>();
        foreach (string file in files)
        {
            using SafetensorsFile opened = SafetensorsFile.Open(file);
            Tensor value = opened.Read(name).to_type(ScalarType.Float32);
            if (tensors.Count > 0 && !tensors[0].shape.SequenceEqual(value.shape))
                throw new CheckpointException(file,
                    $"holds '{name}' of [{string.Join(", ", value.shape)}], and {files[0]} of [{string.Join(", ", tensors[0].shape)}]; "
                        + "videos of one folder have one size.");
            tensors.Add(value);
        }
        return stack(tensors);
    }
}
