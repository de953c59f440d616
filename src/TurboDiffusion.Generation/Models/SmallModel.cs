using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Generation.Text;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Clip;
using TurboDiffusion.Models.TinyVae;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Generation.Models;

/// <summary>
/// A whole model of small size with random weights: every file of a real one, made in a moment, for trials and tests. Its
/// pictures are noise.
/// </summary>
public sealed record SmallModel
{
    internal const string TextToVideoName = "small random model";

    private const string TinyVaeFile = "tiny_vae.safetensors";
    private const string ImageEncoderFile = "image_encoder.safetensors";
    private const string TokenizerFile = "spiece.model";

    // 17 tokens of an image.
    private static readonly ClipConfig ImageEncoder = new(32, 64, 2, 3, patchSize: 8, grid: 4);

    /// <summary>Width of the transformer; a multiple of the head size.</summary>
    public int Dim { get; init; } = 128;

    /// <summary>Channels per attention head.</summary>
    public int HeadDim { get; init; } = 64;

    /// <summary>Transformer blocks.</summary>
    public int Layers { get; init; } = 2;

    /// <summary>Width of the VAE's first level.</summary>
    public int VaeDim { get; init; } = 8;

    /// <summary>Width of the text encoder.</summary>
    public int TextDim { get; init; } = 64;

    /// <summary>
    /// The published model that it is a small one of: its inputs and outputs, autoencoder, image encoder and number of experts are that
    /// one's.
    /// </summary>
    public ModelSpec Like { get; init; } = ModelSpec.T2V1_3B;

    /// <summary>The number format of the blocks' linear layers.</summary>
    public WeightFormat Weights { get; init; }

    /// <summary>The seed of the weights.</summary>
    public ulong Seed { get; init; }

    /// <summary>The dimensions of the transformer.</summary>
    /// <exception cref="InvalidRequestException">A size does not fit.</exception>
    public WanConfig TransformerConfig =>
        new(Dim, 2 * Dim, Dim / Math.Max(1, HeadDim), Layers, Like.Transformer.InDim, Like.Transformer.OutDim, TextDim, freqDim: 64,
            imageDim: Like.Transformer.HasImageBranch ? ImageEncoder.Dim : 0,
            imagePositions: Like.Transformer.NeedsEndImage ? 2 * ImageEncoder.Tokens : 0);

    /// <summary>The sizes of the video autoencoder.</summary>
    public VaeConfig VaeConfig => Like.Vae.OfWidth(VaeDim);

    /// <summary>The sizes of the tiny autoencoder.</summary>
    public TinyVaeConfig TinyVaeConfig => TinyVaeConfig.Of(Like.Vae) with { Widths = (16, 16, 8, 8), EncoderWidth = 8 };

    /// <summary>Writes the model's files and their description into a folder.</summary>
    /// <param name="folder">
    /// The folder. Where it is not there, or empty, it appears when it is complete; else files of the same names are replaced.
    /// </param>
    /// <param name="cancellationToken">Checked before each tensor.</param>
    /// <returns>The files.</returns>
    /// <exception cref="InvalidRequestException">A size does not fit.</exception>
    /// <exception cref="EnvironmentException">The folder cannot be written.</exception>
    public ModelFiles Write(string folder, CancellationToken cancellationToken = default)
    {
        LibTorch.Require();
        try
        {
            if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()) WriteInto(folder, cancellationToken);
            else
            {
                using PartialOutput partial = PartialOutput.OfFolder(folder);
                WriteInto(partial.Path, cancellationToken);
                partial.Commit(overwrite: false);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException
            || e is EnvironmentException { InnerException: IOException or UnauthorizedAccessException })
        {
            throw new EnvironmentException("disk", $"{folder} cannot be written: {(e.InnerException ?? e).Message}", e);
        }
        return ModelFiles.FromFolder(folder);
    }

    /// <summary>Writes a transformer of random weights and any size, tensor by tensor.</summary>
    /// <param name="path">The file.</param>
    /// <param name="config">Its dimensions.</param>
    /// <param name="weights">The number format of the blocks' linear layers.</param>
    /// <param name="seed">The seed of the weights.</param>
    /// <param name="dtype">The element type of the float tensors.</param>
    /// <param name="attention">Dense: the original variant; sparse kinds: with the projection.</param>
    /// <param name="progress">Told how many bytes of how many are written.</param>
    /// <param name="cancellationToken">Checked before each tensor.</param>
    public static void WriteTransformer(
        string path, WanConfig config, WeightFormat weights, ulong seed, torch.ScalarType dtype, AttentionOptions attention,
        IProgress<(long Done, long Total)>? progress = null, CancellationToken cancellationToken = default)
    {
        using var model = new WanModel(config, attention, WeightFormat.Float, Placement.Meta);
        Dictionary<string, string> metadata = WanCheckpoint.Metadata(config);
        using ICheckpoint checkpoint = WanCheckpoint.Int8Layers.As(new RandomCheckpoint(model, seed, dtype, metadata), weights);
        SafetensorsWriter.Write(path, TensorSource.From(checkpoint), metadata, progress, cancellationToken);
    }

    private void WriteInto(string folder, CancellationToken cancellationToken)
    {
        WanConfig config = TransformerConfig;
        string tokenizer = Path.Combine(folder, TokenizerFile);
        WriteTokenizer(tokenizer);
        // The table is as large as the vocabulary, rounded up as published models do.
        int vocabulary = (SentencePieceTextTokenizer.Open(tokenizer).VocabularySize + 63) / 64 * 64;
        var text = new UMT5Config(vocabulary, TextDim, TextDim, 2 * TextDim, 1, 2);
        string[] transformers = Like.Experts == 2 ? ["transformer_high_noise.safetensors", "transformer_low_noise.safetensors"]
            : ["transformer.safetensors"];
        for (int i = 0; i < transformers.Length; i++)
            WriteTransformer(Path.Combine(folder, transformers[i]), config, Weights, Seed + (ulong)i, torch.ScalarType.Float32,
                AttentionOptions.Sla(), null, cancellationToken);
        using (var vae = new WanVae(VaeConfig, Placement.Meta)) Write(folder, "vae.safetensors", vae, cancellationToken);
        using (var tiny = new TinyVideoAutoencoder(TinyVaeConfig, Placement.Meta))
            Write(folder, TinyVaeFile, tiny, cancellationToken);
        using (var encoder = new UMT5Encoder(text, Placement.Meta))
            Write(folder, "text_encoder.safetensors", encoder, cancellationToken);
        if (config.HasImageBranch)
            using (var encoder = new ClipVisionEncoder(ImageEncoder, Placement.Meta))
                Write(folder, ImageEncoderFile, encoder, cancellationToken, ImageEncoder.Metadata());
        new ModelFiles
        {
            Name = Like == ModelSpec.T2V1_3B ? TextToVideoName : $"small random model like {Like.Name}",
            Transformer = transformers[0],
            LowNoiseTransformer = transformers.ElementAtOrDefault(1),
            Vae = "vae.safetensors",
            TinyVae = TinyVaeFile,
            TextEncoder = "text_encoder.safetensors",
            Tokenizer = TokenizerFile,
            ImageEncoder = config.HasImageBranch ? ImageEncoderFile : null,
            Defaults = new GenerationDefaults
            {
                // Multiples of a token's pixels, 16 or 32.
                Width = 128, Height = 16 * VaeConfig.PatchSize * (VaeConfig.PatchSize == 1 ? 5 : 3), Frames = 17, FramesPerSecond = 8,
                TopKRatio = 0.2, RandomWeights = true,
            },
        }.Write(folder);
    }

    private void Write(string folder, string file, torch.nn.Module module, CancellationToken cancellationToken,
        Dictionary<string, string>? metadata = null)
    {
        using var random = new RandomCheckpoint(module, Seed);
        SafetensorsWriter.Write(Path.Combine(folder, file), TensorSource.From(random), metadata, cancellationToken: cancellationToken);
    }

    private static void WriteTokenizer(string path) => AtomicFile.Write(path, file =>
    {
        using Stream resource = typeof(SmallModel).Assembly.GetManifestResourceStream("TurboDiffusion.Generation.Models.spiece.model")!;
        resource.CopyTo(file);
    });
}
