using System.Globalization;
using TurboDiffusion.Checkpoints;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Loops;

/// <summary>
/// The whole state of a training run in one <c>.safetensors</c> file: weights, optimiser moments, weight averages,
/// position in the random stream, iteration. A run resumed from it continues bit for bit.
/// </summary>
internal static class TrainingState
{
    private const string Format = "turbodiffusion-training-2";

    /// <summary>Writes the state; the file appears under its name only when it is complete.</summary>
    public static void Save(string path, ITrainingTask task, ulong seed, int iteration)
    {
        var metadata = new Dictionary<string, string>
        {
            ["format"] = Format,
            ["task"] = task.Name,
            ["seed"] = seed.ToString(CultureInfo.InvariantCulture),
            ["iteration"] = iteration.ToString(CultureInfo.InvariantCulture),
        };
        foreach (TrainedModel model in task.Models)
            metadata[UpdatesKey(model)] = model.Optimizer.Updates.ToString(CultureInfo.InvariantCulture);
        SafetensorsWriter.Write(path, [.. task.Models.SelectMany(m => m.State).Select(s =>
            new TensorSource(new TensorInfo(s.Key, s.Value.dtype, s.Value.shape), () => s.Value.detach().clone()))], metadata);
    }

    /// <summary>Restores the state into the task's models, all or nothing.</summary>
    /// <returns>The iterations finished.</returns>
    /// <exception cref="CheckpointException">The file is of another task, seed or model.</exception>
    public static int Load(string path, ITrainingTask task, ulong seed)
    {
        using ICheckpoint file = SafetensorsFile.Open(path);
        Expect(file, "format", Format);
        Expect(file, "task", task.Name);
        Expect(file, "seed", seed.ToString(CultureInfo.InvariantCulture));
        Dictionary<string, Tensor> state = new(task.Models.SelectMany(m => m.State));
        if (!state.Keys.ToHashSet().SetEquals(file.Tensors.Keys))
            throw new CheckpointException(path,
                $"holds {file.Tensors.Count} tensors of a training state that has {state.Count}; resume with the configuration it was "
                    + "begun with.");
        foreach ((string name, Tensor tensor) in state)
            if (file.Tensors[name].Dtype != tensor.dtype || !file.Tensors[name].Shape.SequenceEqual(tensor.shape))
                throw new CheckpointException(path,
                    $"holds '{name}' as {file.Tensors[name]}; the model has {tensor.dtype} [{string.Join(", ", tensor.shape)}]. Resume "
                        + "with the configuration it was begun with.");

        int iteration = checked((int)Number(file, "iteration"));
        int[] updates = [.. task.Models.Select(m => checked((int)Number(file, UpdatesKey(m))))];
        using var noGrad = no_grad();
        foreach ((string name, Tensor tensor) in state)
        {
            using Tensor saved = file.Read(name);
            tensor.copy_(saved);
        }
        for (int i = 0; i < updates.Length; i++) task.Models[i].Optimizer.Updates = updates[i];
        return iteration;
    }

    private static string UpdatesKey(TrainedModel model) => $"updates.{model.Name}";

    private static void Expect(ICheckpoint file, string key, string expected)
    {
        string? found = file.Metadata.GetValueOrDefault(key);
        if (found != expected)
            throw new CheckpointException(file.Path,
                $"has the {key} '{found ?? "(none)"}'; this run has '{expected}'. Resume with the configuration it was begun with, or "
                    + "begin in another folder.");
    }

    private static ulong Number(ICheckpoint file, string key) =>
        ulong.TryParse(file.Metadata.GetValueOrDefault(key), CultureInfo.InvariantCulture, out ulong value)
            ? value
            : throw new CheckpointException(file.Path, $"has no number '{key}' in its header; it is not a training state.");
}
