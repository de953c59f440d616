using static TorchSharp.torch;

namespace TurboDiffusion.Sampling;

/// <summary>
/// The stream of <see cref="PhiloxNoise"/>, computed by tensor operations where it is needed: training draws millions of values
/// a step, which would take the CPU longer than the step. Words are the same on every device; normal values agree to the
/// rounding of sin, cos and log.
/// </summary>
/// <param name="seed">The seed.</param>
/// <param name="device">Where to draw.</param>
public sealed class DeviceNoise(ulong seed, Device device) : IRandomSource
{
    private ulong _counter;

    /// <inheritdoc/>
    public Tensor Normal(params long[] shape)
    {
        const float Scale = 1f / (1L << 32), HalfStep = Scale / 2;
        using var scope = NewDisposeScope();
        Tensor[] words = Words(shape, out PhiloxLayout layout);
        var values = new Tensor[words.Length];
        for (int pair = 0; pair < words.Length; pair += 2)
        {
            Tensor radius = (words[pair].to_type(ScalarType.Float32) * Scale + HalfStep).log_().mul_(-2).sqrt_();
            Tensor angle = words[pair + 1].to_type(ScalarType.Float32) * (Scale * MathF.Tau) + HalfStep * MathF.Tau;
            values[pair] = angle.sin() * radius;
            values[pair + 1] = angle.cos_().mul_(radius);
        }
        return Arrange(values, shape, layout).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor Uniform(params long[] shape)
    {
        using var scope = NewDisposeScope();
        Tensor[] values = [.. Words(shape, out PhiloxLayout layout)
            .Select(w => w.bitwise_right_shift(Number(8)).to_type(ScalarType.Float32) * (1f / (1 << 24)))];
        return Arrange(values, shape, layout).MoveToOuterDisposeScope();
    }

    // The four words of every counter of the draw, int64 of 32 bits, each [rounds, stride].
    private Tensor[] Words(long[] shape, out PhiloxLayout layout)
    {
        Tensor half = Number(32), mask = Number(0xFFFFFFFF);
        layout = PhiloxLayout.Of(shape.Aggregate(1L, (a, b) => a * b));
        // A counter word of its own for each round of the grid; the low 32 bits suffice for any run.
        Tensor a = (arange(layout.Rounds, ScalarType.Int64, device) + (long)_counter).unsqueeze(1),
            c = arange(layout.Stride, ScalarType.Int64, device).unsqueeze(0);
        Tensor b = a.bitwise_right_shift(half), d = c.bitwise_right_shift(half);
        a = a.bitwise_and(mask);
        _counter += (ulong)layout.Rounds;
        uint keyA = (uint)seed, keyB = (uint)(seed >> 32);
        for (int round = 0; round < Philox4x32.Rounds; round++)
        {
            // Products wrap at 64 bits, as unsigned ones do; shifts are arithmetic, so the high half is masked.
            Tensor productA = a * (long)Philox4x32.MultiplierA, productB = c * (long)Philox4x32.MultiplierB;
            (a, b, c, d) = (
                High(productB).bitwise_xor(b).bitwise_xor(Number(keyA)), productB.bitwise_and(mask),
                High(productA).bitwise_xor(d).bitwise_xor(Number(keyB)), productA.bitwise_and(mask));
            keyA += Philox4x32.WeylA;
            keyB += Philox4x32.WeylB;
        }
        return [a, b, c, d];

        Tensor High(Tensor product) => product.bitwise_right_shift(half).bitwise_and(mask);
    }

    // A scalar on the CPU, which operations on any device take.
    private static Tensor Number(long value) => tensor(value);

    private static Tensor Arrange(Tensor[] values, long[] shape, PhiloxLayout layout) =>
        stack(values, 1).flatten().narrow(0, 0, layout.Count).reshape(shape);
}
