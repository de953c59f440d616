using TurboDiffusion.Operators;
using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>The dimensions of a Wan diffusion transformer. Checked at construction.</summary>
/// <remarks>TurboDiffusion aaecff5, <c>rcm/networks/wan2pt1.py</c>.</remarks>
public sealed record WanConfig
{
    /// <summary>Latent frames per patch.</summary>
    public const int PatchFrames = 1;

    /// <summary>Latent rows, and columns, per patch.</summary>
    public const int PatchSize = 2;

    // No real model comes near; larger claims of a file are refused before anything is sized by them.
    private const int MaxSize = 1 << 20;
    private const int MaxLayers = 512;

    /// <summary>Creates the dimensions.</summary>
    /// <param name="dim">Width of the hidden state; a multiple of <paramref name="numHeads"/>.</param>
    /// <param name="ffnDim">Width of the feed-forward layer.</param>
    /// <param name="numHeads">Attention heads.</param>
    /// <param name="numLayers">Transformer blocks.</param>
    /// <param name="inDim">Channels of the input: 16, or 36 with the image condition of I2V.</param>
    /// <param name="outDim">Channels of the output.</param>
    /// <param name="textDim">Width of the text embedding.</param>
    /// <param name="freqDim">Channels of the sinusoidal time embedding.</param>
    /// <param name="eps">ε of every norm.</param>
    /// <param name="imageDim">Width of the image encoder's tokens that the cross-attention sees beside the text; 0: it sees none.</param>
    /// <param name="imagePositions">Tokens of images that are told apart by a learned position: those of two images; 0: one image.</param>
    /// <exception cref="InvalidRequestException">A dimension is not positive, or the width does not divide into even heads.</exception>
    public WanConfig(
        int dim, int ffnDim, int numHeads, int numLayers, int inDim = 16, int outDim = 16, int textDim = 4096,
        int freqDim = 256, double eps = 1e-6, int imageDim = 0, int imagePositions = 0)
    {
        foreach ((string name, int value) in new[]
                 {
                     ("dim", dim), ("ffn_dim", ffnDim), ("num_heads", numHeads), ("num_layers", numLayers), ("in_dim", inDim),
                     ("out_dim", outDim), ("text_dim", textDim), ("freq_dim", freqDim),
                 })
            if (value is <= 0 or > MaxSize)
                throw new InvalidRequestException(name, $"The Wan model's {name} is {value}; it must be between 1 and {MaxSize}.");
        if (numLayers > MaxLayers)
            throw new InvalidRequestException("num_layers", $"The Wan model's num_layers is {numLayers}; it must be at most {MaxLayers}.");
        if (dim % numHeads != 0 || dim / numHeads % 2 != 0)
            throw new InvalidRequestException("dim", $"The Wan model's width {dim} does not divide into {numHeads} heads of an even size.");
        if (freqDim % 2 != 0)
            throw new InvalidRequestException("freq_dim", $"The Wan model's freq_dim is {freqDim}; it must be even.");
        if (imageDim is < 0 or > MaxSize)
            throw new InvalidRequestException("image_dim", $"The Wan model's image_dim is {imageDim}; it must be between 0 and {MaxSize}.");
        if (imagePositions is < 0 or > MaxSize || imagePositions % 2 != 0 || imagePositions > 0 && imageDim == 0)
            throw new InvalidRequestException("image_positions",
                $"The Wan model's image_positions is {imagePositions}; it is twice the tokens of an image, and 0 without an image branch.");
        (Dim, FfnDim, NumHeads, NumLayers, InDim, OutDim, TextDim, FreqDim, Eps, ImageDim, ImagePositions) =
            (dim, ffnDim, numHeads, numLayers, inDim, outDim, textDim, freqDim, eps, imageDim, imagePositions);
    }

    /// <summary>Width of the hidden state.</summary>
    public int Dim { get; }

    /// <summary>Width of the feed-forward layer.</summary>
    public int FfnDim { get; }

    /// <summary>Attention heads.</summary>
    public int NumHeads { get; }

    /// <summary>Transformer blocks.</summary>
    public int NumLayers { get; }

    /// <summary>Channels of the input.</summary>
    public int InDim { get; }

    /// <summary>Channels of the output.</summary>
    public int OutDim { get; }

    /// <summary>Width of the text embedding.</summary>
    public int TextDim { get; }

    /// <summary>Channels of the sinusoidal time embedding.</summary>
    public int FreqDim { get; }

    /// <summary>ε of every norm.</summary>
    public double Eps { get; }

    /// <summary>Width of the image encoder's tokens that the cross-attention sees beside the text; 0: it sees none.</summary>
    public int ImageDim { get; }

    /// <summary>Tokens of images that are told apart by a learned position: those of two images; 0: one image.</summary>
    public int ImagePositions { get; }

    /// <summary>What the operators of a block are given.</summary>
    /// <param name="tokens">Tokens of the video.</param>
    /// <param name="dtype">The element type of the hidden state.</param>
    public BlockShape Block(long tokens, ScalarType dtype) => new(tokens, Dim, FfnDim, NumHeads, dtype);

    /// <summary>Whether the cross-attention sees an image's tokens beside the text's: Wan 2.1 image to video.</summary>
    public bool HasImageBranch => ImageDim > 0;

    /// <summary>Channels per attention head.</summary>
    public int HeadDim => Dim / NumHeads;

    /// <summary>Input values per patch.</summary>
    public int PatchChannels => InDim * PatchFrames * PatchSize * PatchSize;

    /// <summary>Whether the input carries the image condition (4 mask channels and 16 latent channels).</summary>
    public bool IsImageToVideo => InDim > OutDim;

    /// <summary>
    /// Whether an image may be given as the first latent frame, which then stays clean while the others are denoised: Wan 2.2 TI2V,
    /// known by its 48 latent channels.
    /// </summary>
    public bool TakesFirstFrame => InDim == OutDim && OutDim == 48;

    /// <summary>Whether a start image can be given.</summary>
    public bool TakesImage => IsImageToVideo || TakesFirstFrame;

    /// <summary>
    /// Whether the last frame can be given beside the first: Wan 2.1 FLF2V, which needs both, and Wan 2.2 image to video, which has no
    /// image branch that would be of the first alone.
    /// </summary>
    public bool TakesEndImage => IsImageToVideo && (!HasImageBranch || NeedsEndImage);

    /// <summary>Whether the last frame must be given beside the first.</summary>
    public bool NeedsEndImage => ImagePositions > 0;
}
