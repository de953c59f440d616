using System.Text.Json;
using System.Text.Json.Serialization;
using TorchSharp;
using TurboDiffusion.Runtime;
using TurboDiffusion.Training.Loops;

namespace TurboDiffusion.Training.Configuration;

/// <summary>What every training run is configured with, as a JSON file gives it.</summary>
public abstract record RunConfig
{
    private static readonly JsonSerializerOptions Json = JsonFile.Options;

    /// <summary>The folder of the run: the saved state, the trained model.</summary>
    public required string Output { get; init; }

    /// <summary><c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    public string Device { get; init; } = "cpu";

    /// <summary>
    /// The type that weights are computed with: <c>float32</c>, or on a GPU <c>bfloat16</c>, with float32 masters in the
    /// optimiser.
    /// </summary>
    public string Dtype { get; init; } = "float32";

    /// <summary>Transformers: keep one input per block for the backward pass and compute the rest again, to save memory.</summary>
    public bool RecomputeActivations { get; init; }

    /// <summary>
    /// How long and how fast. The kinds of runs have defaults of their own; a file that gives this gives all of it, and what
    /// it leaves out is as <see cref="TrainingOptions"/> says.
    /// </summary>
    public TrainingOptions Training { get; init; } = new();

    /// <summary>The file in the output folder that gets what was trained.</summary>
    [JsonIgnore]
    public virtual string ResultFile => TrainingRun.ModelFile;

    /// <summary>Device and dtype of the models.</summary>
    /// <exception cref="InvalidRequestException">There is no such device or type.</exception>
    internal Placement Placement
    {
        get
        {
            torch.ScalarType dtype = Dtype switch
            {
                "float32" => torch.ScalarType.Float32,
                "bfloat16" => torch.ScalarType.BFloat16,
                _ => throw new InvalidRequestException("dtype", $"The dtype is '{Dtype}'; it is float32 or bfloat16."),
            };
            if (Device == "cpu") return new Placement(torch.CPU, dtype);
            string index = Device == "cuda" ? "0" : Device.StartsWith("cuda:", StringComparison.Ordinal) ? Device[5..] : "";
            if (!int.TryParse(index, out int gpu) || gpu < 0)
                throw new InvalidRequestException("device", $"The device is '{Device}'; it is cpu, cuda or cuda:N.");
            if (gpu >= torch.cuda.device_count())
                throw new InvalidRequestException("device",
                    $"The device is '{Device}'; this machine has {torch.cuda.device_count()} GPUs that libtorch can use.");
            return new Placement(new torch.Device(DeviceType.CUDA, gpu), dtype);
        }
    }

    /// <summary>Reads a configuration. A name that means nothing is an error, not ignored.</summary>
    /// <typeparam name="T">The kind of run.</typeparam>
    /// <param name="path">A JSON file; comments are allowed.</param>
    /// <exception cref="InvalidRequestException">The file cannot be read, or is not such a configuration.</exception>
    public static T Load<T>(string path)
        where T : RunConfig
    {
        try
        {
            return JsonFile.Read<T>(path, Json);
        }
        catch (JsonException e)
        {
            throw new InvalidRequestException("config", $"{path} is not a configuration of this kind of training: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidRequestException("config", $"{path} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>The configuration as JSON, every default written out: kept beside the results, and a template.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, GetType(), Json);
}
