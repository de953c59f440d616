using TurboDiffusion.Checkpoints;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Merging;

/// <summary>
/// Applies what a tuning changed to another model of the same architecture: result = base + w · (tuned − tuned from). So an
/// SLA-tuned and an rCM-distilled descendant of one model become one that is both.
/// </summary>
/// <remarks>arXiv 2512.16093, section on training; thu-ml/TurboDiffusion at aaecff5, <c>scripts/merge_models.py</c>.</remarks>
public static class CheckpointMerge
{
    /// <summary>Merges float checkpoints, one tensor in memory at a time; sums are made in float32 and stored in the base's type.</summary>
    /// <param name="baseModel">The model that is changed (rCM).</param>
    /// <param name="tunedFrom">What the tuning began from.</param>
    /// <param name="tuned">What the tuning ended with (SLA).</param>
    /// <param name="weight">w; 1 applies the change in full.</param>
    /// <param name="output">The <c>.safetensors</c> file to write; it appears when it is complete.</param>
    /// <param name="progress">Told after each tensor how many bytes are written, and of how many.</param>
    /// <param name="cancellationToken">Checked before each tensor.</param>
    /// <returns>What was done with every tensor; nothing is dropped without being named.</returns>
    /// <exception cref="CheckpointException">Shapes differ, or a checkpoint is quantized.</exception>
    /// <exception cref="InvalidRequestException">The weight is not a number.</exception>
    public static MergeReport Merge(
        ICheckpoint baseModel,
        ICheckpoint tunedFrom,
        ICheckpoint tuned,
        double weight,
        string output,
        IProgress<(long Done, long Total)>? progress = null,
        CancellationToken cancellationToken = default)
    {
        if (!double.IsFinite(weight))
            throw new InvalidRequestException("w", $"The weight of the merge is {weight}; give a number, usually 1.");
        foreach (ICheckpoint checkpoint in (ICheckpoint[])[baseModel, tunedFrom, tuned])
            if (checkpoint.Tensors.Values.FirstOrDefault(t => !TensorInfo.IsFloat(t.Dtype)) is { } quantized)
                throw new CheckpointException(checkpoint.Path,
                    $"holds '{quantized.Name}' as {quantized}; only float checkpoints can be merged. Merge first and quantize the result.");

        var sources = new List<TensorSource>();
        List<string> merged = [], carried = [], kept = [];
        foreach ((string name, TensorInfo info) in baseModel.Tensors)
        {
            bool known = tunedFrom.Tensors.ContainsKey(name) && tuned.Tensors.ContainsKey(name);
            if (known)
            {
                CheckShape(info, tunedFrom);
                CheckShape(info, tuned);
            }
            (known ? merged : kept).Add(name);
            sources.Add(new TensorSource(info, known ? () => Sum(baseModel, tunedFrom, tuned, info, weight) : () => baseModel.Read(name)));
        }
        foreach ((string name, TensorInfo info) in tuned.Tensors)
        {
            if (baseModel.Tensors.ContainsKey(name)) continue;
            carried.Add(name);
            sources.Add(new TensorSource(info, () => tuned.Read(name)));
        }
        string[] ignored = [.. tunedFrom.Tensors.Keys.Where(n => !baseModel.Tensors.ContainsKey(n) && !tuned.Tensors.ContainsKey(n))];
        SafetensorsWriter.Write(output, sources, baseModel.Metadata, progress, cancellationToken);
        return new MergeReport(merged, carried, kept, ignored);
    }

    private static void CheckShape(TensorInfo expected, ICheckpoint checkpoint)
    {
        TensorInfo found = checkpoint.Tensors[expected.Name];
        if (!found.Shape.SequenceEqual(expected.Shape))
            throw new CheckpointException(checkpoint.Path,
                $"holds '{expected.Name}' as {found}, and the base as {expected}; models of different sizes cannot be merged.");
    }

    private static Tensor Sum(ICheckpoint baseModel, ICheckpoint tunedFrom, ICheckpoint tuned, TensorInfo info, double weight)
    {
        using var scope = NewDisposeScope();
        Tensor Float(ICheckpoint checkpoint) => checkpoint.Read(info.Name).to_type(ScalarType.Float32);
        return (Float(baseModel) + weight * (Float(tuned) - Float(tunedFrom))).to_type(info.Dtype).MoveToOuterDisposeScope();
    }
}
