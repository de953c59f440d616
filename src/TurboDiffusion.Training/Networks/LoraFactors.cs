using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Lora;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Sampling;
using static TorchSharp.torch;

namespace TurboDiffusion.Training.Networks;

/// <summary>
/// The low-rank factors of a model in training: a LoRA. A model that has some trains those alone, and is written as them.
/// </summary>
public static class LoraFactors
{
    private const int MaxRank = 4096;

    /// <summary>
    /// Adds factors to a transformer that has its weights. It computes as before: A is drawn from U(−1/√in, 1/√in) (He et al. with a slope
    /// of √5, as is usual for LoRAs), B is zero.
    /// </summary>
    /// <param name="model">The transformer; it may be in int8.</param>
    /// <param name="options">Which.</param>
    /// <param name="random">The source of every draw.</param>
    /// <exception cref="InvalidRequestException">The rank or α is out of range, or the model has no layer of a name.</exception>
    public static void Add(WanModel model, LoraTrainingOptions options, IRandomSource random)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        double alpha = options.Alpha ?? options.Rank;
        if (options.Rank is < 1 or > MaxRank || !(double.IsFinite(alpha) && alpha > 0))
            throw new InvalidRequestException("lora",
                $"The LoRA has rank {options.Rank} and alpha {alpha}; the rank is 1 to {MaxRank}, usually 16 to 128, alpha above 0.");
        (string Name, LinearLayer Layer)[] all = [.. Layers(model)];
        IReadOnlyList<string> chosen = options.Layers ?? [.. LoraTrainingOptions.BlockLayers,
            .. model.Config.HasImageBranch ? LoraTrainingOptions.ImageBranchLayers : []];
        string[] known = [.. all.Select(l => InBlock(l.Name)).Distinct()], unknown = [.. chosen.Except(known)];
        if (unknown.Length > 0 || chosen.Count == 0)
            throw new InvalidRequestException("lora",
                $"The LoRA is to change {(unknown.Length > 0 ? Quoted.List([.. unknown.Select(Quoted.Name)]) : "no layer")}; give some of "
                    + $"{string.Join(", ", known)}.");
        using var noGrad = no_grad();
        foreach ((_, LinearLayer layer) in all.Where(l => chosen.Contains(InBlock(l.Name))))
        {
            using var scope = NewDisposeScope();
            LowRankFactors factors = layer.AddFactors(options.Rank, alpha);
            factors.Down.Weight.copy_((random.Uniform(factors.Down.Weight.shape) * 2 - 1) / Math.Sqrt(layer.InFeatures));
            factors.Up.Weight.fill_(0);
        }
    }

    /// <summary>The factors of a model by the official name of their layer; none of a model that is trained as a whole.</summary>
    /// <param name="module">A model.</param>
    public static IReadOnlyDictionary<string, LowRankFactors> Of(nn.Module module) =>
        Layers(module).Where(l => l.Layer.Factors is not null).ToDictionary(l => l.Name, l => l.Layer.Factors!);

    /// <summary>The name of a layer's factor among the parameters of its model.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="factor"><see cref="LowRankFactors.DownName"/> or <see cref="LowRankFactors.UpName"/>.</param>
    internal static string Parameter(string layer, string factor) => $"{layer}.{factor}.weight";

    /// <summary>The tensors of a LoRA file, in ComfyUI's layout and in float32, as they were trained.</summary>
    /// <param name="factors">From <see cref="Of"/>.</param>
    /// <param name="values">The values of a parameter, by its name.</param>
    internal static IReadOnlyList<TensorSource> File(
        IReadOnlyDictionary<string, LowRankFactors> factors, Func<string, Tensor> values) =>
        [.. factors.SelectMany(f => new[]
        {
            Matrix(LoraKey.Written(f.Key, LoraPart.Down), values(Parameter(f.Key, LowRankFactors.DownName))),
            Matrix(LoraKey.Written(f.Key, LoraPart.Up), values(Parameter(f.Key, LowRankFactors.UpName))),
            new TensorSource(new TensorInfo(LoraKey.Written(f.Key, LoraPart.Alpha), ScalarType.Float32, []),
                () => tensor((float)f.Value.Alpha)),
        })];

    private static TensorSource Matrix(string name, Tensor values) =>
        new(new TensorInfo(name, values.dtype, values.shape), () => values.detach().clone());

    private static IEnumerable<(string Name, LinearLayer Layer)> Layers(nn.Module module) => module.named_modules()
        .Where(m => m.module is LinearLayer && !m.name.EndsWith('.' + LowRankFactors.DownName, StringComparison.Ordinal)
            && !m.name.EndsWith('.' + LowRankFactors.UpName, StringComparison.Ordinal))
        .Select(m => (m.name, (LinearLayer)m.module));

    // blocks.3.ffn.0 is ffn.0, as in every block.
    private static string InBlock(string name) =>
        name.Split('.') is ["blocks", _, .. var rest] ? string.Join('.', rest) : name;
}
