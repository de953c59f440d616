using TurboDiffusion.Checkpoints;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Networks;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Data;

/// <summary>
/// Encoded videos in a folder: one <c>.safetensors</c> file per video with <c>latents</c> <c>[C, T, H, W]</c>, <c>text</c>
/// <c>[L, D]</c> and, for image-to-video, <c>image</c> <c>[20, T, H, W]</c>; and <c>negative.safetensors</c> with the <c>text</c>
/// of the empty or negative prompt. Files are read when they are drawn.
/// </summary>
public sealed class LatentFolder : ILatentData
{
    private const string NegativeFile = "negative.safetensors";

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
    /// <param name="image">Image-to-video: mask and first-frame latents, <c>[20, T, H, W]</c>.</param>
    public static void Add(string folder, string name, Tensor latents, Tensor text, Tensor? image = null)
    {
        List<TensorSource> tensors = [TensorSource.From("latents", latents), TensorSource.From("text", text)];
        if (image is not null) tensors.Add(TensorSource.From("image", image));
        SafetensorsWriter.Write(Path.Combine(folder, name + ".safetensors"), tensors);
    }

    /// <summary>Writes the condition that guidance steers away from.</summary>
    /// <param name="folder">The folder; made if it does not exist.</param>
    /// <param name="text">The encoded empty or negative prompt, <c>[L, D]</c>.</param>
    public static void SetNegative(string folder, Tensor text) =>
        SafetensorsWriter.Write(Path.Combine(folder, NegativeFile), [TensorSource.From("text", text)]);

    /// <inheritdoc/>
    /// <exception cref="CheckpointException">A file is broken, or its sizes differ from those of the others.</exception>
    public LatentBatch Draw(int count, IRandomSource random)
    {
        using var scope = NewDisposeScope();
        string[] chosen = [.. RandomIndices.Draw(random, count, _files.Length).Select(i => _files[i])];
        Tensor latents = Stack(chosen, "latents"), text = Stack(chosen, "text");
        Tensor? image = Has(chosen[0], "image") ? Stack(chosen, "image") : null;
        Tensor negative = Stack([Path.Combine(_folder, NegativeFile)], "text").repeat(count, 1, 1);
        image?.MoveToOuterDisposeScope();
        return new LatentBatch(
            latents.MoveToOuterDisposeScope(),
            new Condition(text.MoveToOuterDisposeScope(), image),
            new Condition(negative.MoveToOuterDisposeScope(), image));
    }

    private static bool Has(string file, string name)
    {
        using SafetensorsFile opened = SafetensorsFile.Open(file);
        return opened.Tensors.ContainsKey(name);
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
