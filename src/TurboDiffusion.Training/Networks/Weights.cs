using static TorchSharp.torch;

namespace TurboDiffusion.Training.Networks;

/// <summary>Copies of weights between models.</summary>
public static class Weights
{
    /// <summary>Copies every weight of a model into another of the same or a larger set of names, exactly.</summary>
    /// <param name="from">The source.</param>
    /// <param name="to">The destination: a model that has every tensor of <paramref name="from"/>, in the same shape.</param>
    /// <returns>The names in <paramref name="to"/> that <paramref name="from"/> does not have; they are left as they were.</returns>
    /// <exception cref="ArgumentException">
    /// A tensor of <paramref name="from"/> is missing in <paramref name="to"/>, or has another shape.
    /// </exception>
    public static IReadOnlyList<string> Copy(nn.Module from, nn.Module to)
    {
        using var noGrad = no_grad();
        Dictionary<string, Tensor> source = from.state_dict(), target = to.state_dict();
        foreach ((string name, Tensor value) in source)
        {
            if (!target.TryGetValue(name, out Tensor? place) || !place.shape.SequenceEqual(value.shape))
                throw new ArgumentException($"'{name}' [{string.Join(", ", value.shape)}] has no counterpart of that shape in the "
                    + "destination.", nameof(to));
            place.copy_(value);
        }
        return [.. target.Keys.Where(name => !source.ContainsKey(name))];
    }

    /// <summary>
    /// Lets a model use another's memory for the weights that they have in common: by name, type and shape. For constant weights, which
    /// are then held once.
    /// </summary>
    /// <param name="from">The model whose memory stays.</param>
    /// <param name="to">The model whose own memory is freed; it holds the same values.</param>
    public static void Share(nn.Module from, nn.Module to)
    {
        using var noGrad = no_grad();
        Dictionary<string, Tensor> source = from.state_dict();
        foreach ((string name, Tensor place) in to.state_dict())
            if (source.TryGetValue(name, out Tensor? value) && value.dtype == place.dtype && value.shape.SequenceEqual(place.shape))
                place.set_(value);
    }

    /// <summary>Makes a model's weights constant.</summary>
    /// <param name="module">A teacher.</param>
    public static void Freeze(nn.Module module)
    {
        foreach (TorchSharp.Modules.Parameter parameter in module.parameters()) parameter.requires_grad_(false);
    }
}
