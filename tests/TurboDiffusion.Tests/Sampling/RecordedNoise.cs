using TorchSharp;
using TurboDiffusion.Sampling;

namespace TurboDiffusion.Tests.Sampling;

/// <summary>Plays back draws in order; a draw of another shape, or one too many, is an error.</summary>
public sealed class RecordedNoise(IEnumerable<torch.Tensor> draws) : INoiseSource
{
    private readonly Queue<torch.Tensor> _draws = new(draws);

    public torch.Tensor Normal(params long[] shape)
    {
        torch.Tensor draw = _draws.Dequeue();
        Xunit.Assert.Equal(shape, draw.shape);
        return draw.clone();
    }
}
