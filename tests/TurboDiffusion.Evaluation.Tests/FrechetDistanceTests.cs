using TurboDiffusion.Evaluation.Metrics;
using TurboDiffusion.ShapeWorld;
using Xunit;

namespace TurboDiffusion.Evaluation.Tests;

public sealed class FrechetDistanceTests
{
    private const int Width = 96, Height = 56, Frames = 17;

    private static readonly Lazy<byte[][]> Clips = new(() =>
        [.. Enumerable.Range(0, 240).AsParallel().AsOrdered()
            .Select(seed => SceneRenderer.Render(SceneSampler.Training(seed), Width, Height, Frames))]);

    private static readonly Lazy<float[][]> Real = new(() => [.. Features(Clips.Value[..120])]);

    [Fact]
    public void Of_independent_normal_features_it_is_what_the_formula_gives()
    {
        // In two dimensions: means 3 apart, standard deviations 1 and 2 against 2 and 5.
        var random = new Random(1);
        float[][] Draw(double x, double sx, double sy) =>
            [.. Enumerable.Range(0, 100_000).Select(_ => new[] { (float)(x + sx * Normal(random)), (float)(sy * Normal(random)) })];

        double distance = FrechetDistance.Between(Draw(0, 1, 2), Draw(3, 2, 5));

        Assert.Equal(9 + 1 + 9, distance, 0.3);
    }

    [Fact]
    public void It_is_zero_for_the_same_set_symmetric_and_does_not_see_a_rotation()
    {
        var random = new Random(2);
        float[][] Draw(float stretch) => [.. Enumerable.Range(0, 200).Select(_ =>
            Enumerable.Range(0, 10).Select(i => (float)Normal(random) * (i == 3 ? stretch : 1)).ToArray())];
        float[][] a = Draw(1), b = Draw(4);
        float[][] Rotate(float[][] set) =>
            [.. set.Select(v => (float[])[0.6f * v[0] - 0.8f * v[3], .. v[1..3], 0.8f * v[0] + 0.6f * v[3], .. v[4..]])];

        Assert.Equal(0, FrechetDistance.Between(a, a), 1e-6);
        Assert.Equal(FrechetDistance.Between(a, b), FrechetDistance.Between(b, a), 1e-6);
        Assert.Equal(FrechetDistance.Between(a, b), FrechetDistance.Between(Rotate(a), Rotate(b)), 1e-4);
    }

    [Fact]
    public void It_is_finite_for_sets_smaller_than_their_dimension()
    {
        float[][] few = [[1, 2, 3, 4], [2, 2, 3, 4]], same = [[1, 1, 1, 1], [1, 1, 1, 1]];
        Assert.Equal(0, FrechetDistance.Between(few, few), 1e-9);
        Assert.Equal(0.25 + 1 + 4 + 9 + 0.5, FrechetDistance.Between(few, same), 1e-6);
        Assert.Throws<ArgumentException>(() => FrechetDistance.Between(few, [same[0]]));
        Assert.Throws<ArgumentException>(() => FrechetDistance.Between(few, [[1], [2]]));
    }

    [Fact]
    public void The_square_root_squares_back()
    {
        var random = new Random(3);
        const int N = 24;
        var half = new double[N, N];
        var matrix = new double[N, N];
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) half[i, j] = Normal(random);
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                for (int k = 0; k < N - 4; k++) matrix[i, j] += half[i, k] * half[j, k];

        double[,] root = SymmetricMatrix.SquareRoot(matrix), square = SymmetricMatrix.Product(root, root);

        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                Assert.Equal(matrix[i, j], square[i, j], 1e-7);
    }

    [Fact]
    public void Other_real_clips_are_near()
    {
        double other = FrechetDistance.Between(Real.Value, Features(Clips.Value[120..]));
        Assert.True(other < Distance(clip => Blur(clip, 1)), "blur");
        Assert.True(other < Distance(clip => Noise(clip, 4)), "noise");
        Assert.True(other < 0.5 * FrechetDistance.Between(Real.Value,
            Features(Clips.Value[120..126].SelectMany(c => Enumerable.Repeat(c, 20)))), "collapse");
    }

    [Fact]
    public void The_more_a_set_is_blurred_noisy_dim_still_or_collapsed_the_further_it_is()
    {
        AssertRises("blur", [Distance(c => Blur(c, 1)), Distance(c => Blur(c, 2)), Distance(c => Blur(c, 4))]);
        AssertRises("noise", [Distance(c => Noise(c, 4)), Distance(c => Noise(c, 16)), Distance(c => Noise(c, 64))]);
        AssertRises("dim", [Distance(c => Dim(c, 0.9)), Distance(c => Dim(c, 0.7)), Distance(c => Dim(c, 0.4))]);
        AssertRises("still", [Distance(c => Still(c, 12)), Distance(c => Still(c, 6)), Distance(c => Still(c, 1))]);
        // Ever fewer different clips.
        AssertRises("collapse", [.. ((int[])[30, 8, 2])
            .Select(n => FrechetDistance.Between(Real.Value, Features(Enumerable.Range(0, 120).Select(i => Clips.Value[120 + i % n]))))]);
    }

    [Fact]
    public void Features_hardly_depend_on_the_size()
    {
        Scene scene = SceneSampler.Training(1), other = SceneSampler.Training(2);
        float[] small = ClipFeatures.Of(SceneRenderer.Render(scene, Width, Height, Frames), Width, Height, Frames);
        float[] large = ClipFeatures.Of(SceneRenderer.Render(scene, 2 * Width, 2 * Height, Frames), 2 * Width, 2 * Height, Frames);
        float[] different = ClipFeatures.Of(SceneRenderer.Render(other, Width, Height, Frames), Width, Height, Frames);
        Assert.Equal(ClipFeatures.Length, small.Length);
        Assert.True(Squared(small, large) < 0.3 * Squared(small, different));
    }

    private static double Distance(Func<byte[], byte[]> change) =>
        FrechetDistance.Between(Real.Value, Features(Clips.Value[..120].Select(change)));

    private static float[][] Features(IEnumerable<byte[]> clips) =>
        [.. clips.AsParallel().AsOrdered().Select(clip => ClipFeatures.Of(clip, Width, Height, Frames))];

    private static void AssertRises(string name, double[] distances)
    {
        TestContext.Current.TestOutputHelper?.WriteLine($"{name}: {string.Join(", ", distances.Select(d => d.ToString("0.00")))}");
        Assert.True(distances[0] > 0 && distances.Zip(distances.Skip(1)).All(p => p.Second > 1.2 * p.First),
            $"{name}: {string.Join(", ", distances)}");
    }

    private static byte[] Blur(byte[] clip, int radius) => BlurAlong(BlurAlong(clip, radius, 3, Width), radius, 3 * Width, Height);

    private static byte[] BlurAlong(byte[] clip, int radius, int stride, int length)
    {
        var result = new byte[clip.Length];
        for (int i = 0; i < clip.Length; i++)
        {
            int at = i / stride % length, sum = radius;
            for (int d = -radius; d <= radius; d++) sum += clip[i + stride * (Math.Clamp(at + d, 0, length - 1) - at)];
            result[i] = (byte)(sum / (2 * radius + 1));
        }
        return result;
    }

    private static byte[] Noise(byte[] clip, int levels)
    {
        var random = new Random(1);
        return [.. clip.Select(b => (byte)Math.Clamp(b + random.Next(-levels, levels + 1), 0, 255))];
    }

    private static byte[] Dim(byte[] clip, double factor) => [.. clip.Select(b => (byte)(b * factor))];

    // The motion stops at a frame.
    private static byte[] Still(byte[] clip, int frame) =>
        [.. Enumerable.Range(0, Frames).SelectMany(t => clip.Skip(Math.Min(t, frame) * Width * Height * 3).Take(Width * Height * 3))];

    private static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()))
        * Math.Cos(Math.Tau * random.NextDouble());

    private static double Squared(float[] a, float[] b) => a.Zip(b).Sum(p => (double)(p.First - p.Second) * (p.First - p.Second));
}
