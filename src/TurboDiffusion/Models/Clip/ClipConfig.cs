using System.Globalization;
using TurboDiffusion.Checkpoints;

namespace TurboDiffusion.Models.Clip;

/// <summary>The sizes of a CLIP image encoder, a vision transformer.</summary>
/// <remarks>Wan-Video/Wan2.1, 960af87, <c>wan/modules/clip.py</c>, <c>clip_xlm_roberta_vit_h_14</c>.</remarks>
public sealed record ClipConfig
{
    /// <summary>The metadata key under which our own files name their head count, which shapes do not show.</summary>
    public const string HeadsMetadata = "turbodiffusion.clip_num_heads";

    // Of the published model; used where the metadata does not say otherwise.
    private const int PublishedHeadDim = 80;

    // No real encoder comes near; larger claims of a file are refused before anything is sized by them.
    private const int MaxSize = 1 << 16;
    private const int MaxLayers = 256;

    /// <summary>Creates the sizes and checks them.</summary>
    /// <param name="dim">Width of the hidden state.</param>
    /// <param name="hiddenDim">Width of the feed-forward layer.</param>
    /// <param name="numHeads">Attention heads.</param>
    /// <param name="numLayers">Blocks of the file, of which all but the last are run.</param>
    /// <param name="patchSize">Rows and columns of pixels of a patch.</param>
    /// <param name="grid">Patches per row and per column of the image.</param>
    /// <exception cref="InvalidRequestException">A size is out of range, or the width does not divide into the heads.</exception>
    public ClipConfig(int dim, int hiddenDim, int numHeads, int numLayers, int patchSize, int grid)
    {
        foreach ((string name, int value, int largest) in new[]
                 {
                     ("dim", dim, MaxSize), ("hidden_dim", hiddenDim, MaxSize), ("num_heads", numHeads, MaxSize),
                     ("num_layers", numLayers, MaxLayers), ("patch_size", patchSize, 256), ("grid", grid, 256),
                 })
            if (value < 1 || value > largest)
                throw new InvalidRequestException(name, $"The image encoder's {name} is {value}; it must be between 1 and {largest}.");
        if (dim % numHeads != 0)
            throw new InvalidRequestException("dim", $"The image encoder's width {dim} does not divide into {numHeads} heads.");
        if (numLayers < 2)
            throw new InvalidRequestException("num_layers", "The image encoder has one block; the output is that of the last but one.");
        (Dim, HiddenDim, NumHeads, NumLayers, PatchSize, Grid) = (dim, hiddenDim, numHeads, numLayers, patchSize, grid);
    }

    /// <summary>The image encoder of Wan 2.1: ViT-H/14 of OpenCLIP's XLM-RoBERTa model, 224×224 pixels.</summary>
    public static ClipConfig ViTH14 { get; } = new(1280, 5120, 16, 32, 14, 16);

    /// <summary>Width of the hidden state, which is the output.</summary>
    public int Dim { get; }

    /// <summary>Width of the feed-forward layer.</summary>
    public int HiddenDim { get; }

    /// <summary>Attention heads.</summary>
    public int NumHeads { get; }

    /// <summary>Blocks of the file, of which all but the last are run.</summary>
    public int NumLayers { get; }

    /// <summary>Rows and columns of pixels of a patch.</summary>
    public int PatchSize { get; }

    /// <summary>Patches per row and per column of the image.</summary>
    public int Grid { get; }

    /// <summary>Rows and columns of pixels of the image.</summary>
    public int ImageSize => Grid * PatchSize;

    /// <summary>Tokens of an image: one of the whole, and its patches.</summary>
    public int Tokens => 1 + Grid * Grid;

    /// <summary>The sizes, from the shapes.</summary>
    /// <param name="checkpoint">A checkpoint with the official names, without <c>visual.</c></param>
    /// <exception cref="CheckpointException">It is not such an encoder.</exception>
    public static ClipConfig FromCheckpoint(ICheckpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        int Size(string name, int rank, int axis) =>
            checkpoint.Tensors.TryGetValue(name, out TensorInfo? info) && info.Shape.Count == rank && info.Shape[axis] <= int.MaxValue
                ? (int)info.Shape[axis]
                : throw new CheckpointException(checkpoint.Path,
                    $"is not a CLIP image encoder: '{name}' is {info?.ToString() ?? "missing"}");
        int dim = Size("patch_embedding.weight", 4, 0), grid = (int)Math.Sqrt(Size("pos_embedding", 3, 1) - 1);
        int layers = 0;
        while (checkpoint.Tensors.ContainsKey($"transformer.{layers.ToString(CultureInfo.InvariantCulture)}.attn.proj.bias")) layers++;
        int heads = checkpoint.Metadata.TryGetValue(HeadsMetadata, out string? text)
            && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int told) ? told
            : dim % PublishedHeadDim == 0 ? dim / PublishedHeadDim
            : throw new CheckpointException(checkpoint.Path,
                $"does not say how many heads its width of {dim} has: it has no metadata '{HeadsMetadata}', and {dim} is no multiple of "
                    + $"{PublishedHeadDim}");
        try
        {
            return new ClipConfig(dim, Size("transformer.0.mlp.0.bias", 1, 0), heads, layers, Size("patch_embedding.weight", 4, 3), grid);
        }
        catch (InvalidRequestException e)
        {
            throw new CheckpointException(checkpoint.Path, $"is not a usable image encoder: {e.Message}", e);
        }
    }

    /// <summary>The metadata to write beside such an encoder's tensors: its head count, which shapes do not show.</summary>
    public Dictionary<string, string> Metadata() => new() { [HeadsMetadata] = NumHeads.ToString(CultureInfo.InvariantCulture) };
}
