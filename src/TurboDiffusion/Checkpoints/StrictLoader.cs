using System.Globalization;
using TorchSharp;
using TurboDiffusion.Runtime.Copies;
using TurboDiffusion.Runtime.Cuda;

namespace TurboDiffusion.Checkpoints;

/// <summary>
/// Fills a module from a checkpoint, all or nothing: every name, shape and type is checked in both directions before
/// the first value is copied.
/// </summary>
/// <remarks>TorchSharp's own <c>load_state_dict</c> broadcasts a tensor of the wrong shape without a word.</remarks>
public static class StrictLoader
{
    // Of values that are computed: one is read while another is decoded and a third quantized, and only so many are in memory.
    private const int ComputedAtOnce = 3;

    /// <summary>
    /// Copies every tensor of the checkpoint into the module's parameters and buffers, onto the device where each of them lives: by
    /// several threads where the file has the bytes of the parameter, at most three tensors at once where they are computed. A float
    /// parameter takes any float type and converts it to its own; every other type must be the same in the file.
    /// </summary>
    /// <param name="module">The module; its parameters have memory (they are not on the meta device).</param>
    /// <param name="checkpoint">A checkpoint with the module's names.</param>
    /// <param name="progress">Told after each tensor how many are done, and of how many.</param>
    /// <param name="cancellationToken">Checked before each tensor. A cancelled load leaves the module partly filled.</param>
    /// <exception cref="CheckpointException">
    /// Names, shapes or types differ; nothing was copied. Or a tensor's data cannot be read.
    /// </exception>
    /// <exception cref="ArgumentException">The module is on the meta device.</exception>
    public static void Load(
        torch.nn.Module module,
        ICheckpoint checkpoint,
        IProgress<(int Done, int Total)>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(checkpoint);
        Dictionary<string, torch.Tensor> state = module.state_dict();
        if (state.FirstOrDefault(s => s.Value.device_type == DeviceType.META).Key is { } meta)
            throw new ArgumentException($"'{meta}' is on the meta device and has no memory to load into.", nameof(module));
        Check(state, checkpoint);

        // Straight into the memory of the CPU; through pinned memory to a GPU; or as what is read computes them.
        using var host = new TensorReaders(() => new HostPieceReader(), cancellationToken);
        using var gpu = new TensorReaders(StagedReader(state), cancellationToken);
        using var computed = new TensorReaders(() => new HostPieceReader(), cancellationToken, ComputedAtOnce);
        // In the file's order, so that a disk is read from front to back.
        foreach (string name in checkpoint.Tensors.Keys)
        {
            torch.Tensor target = state[name];
            if (checkpoint.Locate(name) is not { } source || !TensorReaders.Takes(target, source))
                computed.Add(name, () => Compute(checkpoint, name, target));
            else (target.device_type == DeviceType.CUDA ? gpu : host).Add(name, target, source);
        }
        TensorReaders[] all = [computed, host, gpu];
        foreach (TensorReaders readers in all) readers.Start();
        int done = 0;
        foreach (TensorReaders readers in all)
            while (readers.WaitForNext() is not null)
            {
                progress?.Report((++done, state.Count));
                cancellationToken.ThrowIfCancellationRequested();
            }
    }

    private static void Compute(ICheckpoint checkpoint, string name, torch.Tensor target)
    {
        // Gradients are off by thread.
        using IDisposable noGrad = torch.no_grad();
        using torch.Tensor source = checkpoint.Read(name);
        target.copy_(source);
    }

    private static Func<IPieceReader> StagedReader(Dictionary<string, torch.Tensor> state)
    {
        torch.Device? device = state.Values.FirstOrDefault(t => t.device_type == DeviceType.CUDA)?.device;
        if (device is not null) PinnedCopies.WaitForTorch(device);
        return () => new StagedPieceReader(new PinnedCopies(device!, StagedPieceReader.Buffers));
    }

    /// <summary>The check of <see cref="Load"/> alone; the module may be on the meta device.</summary>
    /// <param name="module">The module.</param>
    /// <param name="checkpoint">A checkpoint with the module's names.</param>
    /// <exception cref="CheckpointException">Names, shapes or types differ.</exception>
    public static void Check(torch.nn.Module module, ICheckpoint checkpoint) => Check(module.state_dict(), checkpoint);

    /// <summary>What keeps a checkpoint from being loaded into a module; empty if nothing does. Reads no data.</summary>
    /// <param name="module">The module, on any device; on the meta device it takes no memory.</param>
    /// <param name="checkpoint">A checkpoint with the module's names.</param>
    public static IReadOnlyList<string> Differences(torch.nn.Module module, ICheckpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(checkpoint);
        return Differences(module.state_dict(), checkpoint);
    }

    private static void Check(Dictionary<string, torch.Tensor> state, ICheckpoint checkpoint)
    {
        if (Differences(state, checkpoint) is { Count: > 0 } differences)
            throw new CheckpointException(checkpoint.Path, string.Create(CultureInfo.InvariantCulture,
                $"holds {checkpoint.Tensors.Count} tensors that do not match the model's {state.Count}; {string.Join("; ", differences)}. "
                    + $"Choose the checkpoint of this model, or the model of this checkpoint."));
    }

    private static List<string> Differences(Dictionary<string, torch.Tensor> state, ICheckpoint checkpoint)
    {
        IReadOnlyDictionary<string, TensorInfo> found = checkpoint.Tensors;
        List<string> missing = [.. state.Keys.Where(name => !found.ContainsKey(name))];
        List<string> unexpected = [.. found.Keys.Where(name => !state.ContainsKey(name))];
        List<string> mismatched = [.. from entry in state
                                      where found.ContainsKey(entry.Key) && !Fits(found[entry.Key], entry.Value)
                                      select $"{entry.Key} (found {found[entry.Key]}, expected {Describe(entry.Value)})"];
        var differences = new List<string>();
        if (missing.Count > 0) differences.Add($"{missing.Count} missing: {Quoted.List(missing)}");
        if (unexpected.Count > 0) differences.Add($"{unexpected.Count} unexpected: {Quoted.List(unexpected)}");
        if (mismatched.Count > 0) differences.Add($"{mismatched.Count} of another shape or type: {Quoted.List(mismatched)}");
        return differences;
    }

    private static bool Fits(TensorInfo info, torch.Tensor target) =>
        info.Shape.SequenceEqual(target.shape)
        && (info.Dtype == target.dtype || (TensorInfo.IsFloat(info.Dtype) && TensorInfo.IsFloat(target.dtype)));

    private static string Describe(torch.Tensor tensor) => new TensorInfo("", tensor.dtype, tensor.shape).ToString();
}
