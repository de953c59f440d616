using System.Text.Json.Serialization;
using TurboDiffusion.Training.Networks;
using TurboDiffusion.Training.Samples;

namespace TurboDiffusion.Training.Configuration;

/// <summary>What every training of a transformer is configured with.</summary>
public abstract record TransformerRunConfig : RunConfig
{
    /// <summary>
    /// The encoded videos: a folder (<see cref="Training.Data.LatentFolder"/>), or one <c>.safetensors</c> file with tokenised
    /// captions (<see cref="Training.Data.CaptionedLatents"/>).
    /// </summary>
    public required string Data { get; init; }

    /// <summary>Data with tokenised captions: the checkpoint of the text encoder.</summary>
    public string? TextEncoder { get; init; }

    /// <summary>Train a LoRA in place of the whole transformer; null: the whole.</summary>
    public LoraTrainingOptions? Lora { get; init; }

    /// <summary>Clips made now and then, to look at; null: none.</summary>
    public SampleOptions? Samples { get; init; }

    /// <summary>Scores of a model of the shape world; null: none.</summary>
    public TransformerScoreOptions? Scores { get; init; }

    /// <inheritdoc/>
    [JsonIgnore]
    public override string ResultFile => Lora is null ? base.ResultFile : TrainingRun.LoraFile;
}
