using static TorchSharp.torch;

namespace TurboDiffusion.Models.Wan;

/// <summary>
/// Told of every value as soon as it is computed. Watching does not change what runs: a value that the model itself does not hold
/// is computed beside it, and only where it is asked for.
/// </summary>
/// <param name="name">Such as <c>blocks.3.self_attn</c>.</param>
/// <param name="value">Gives the value; it lives until the observer returns. To be called before that, or not at all.</param>
public delegate void Observer(string name, Func<Tensor> value);
