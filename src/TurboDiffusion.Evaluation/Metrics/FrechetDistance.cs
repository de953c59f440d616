namespace TurboDiffusion.Evaluation.Metrics;

/// <summary>
/// The Fréchet distance of two sets of features, each taken as a normal distribution:
/// |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2·(Σ₁^½·Σ₂·Σ₁^½)^½).
/// </summary>
/// <remarks>Heusel et al., arXiv 1706.08500. The inner matrix is symmetric, so that the roots need no general decomposition.</remarks>
public static class FrechetDistance
{
    /// <summary>Computes it.</summary>
    /// <param name="first">One vector for each clip, all of one length; at least two.</param>
    /// <param name="second">Likewise, of the same length.</param>
    /// <returns>0 for equal distributions.</returns>
    /// <exception cref="ArgumentException">There are fewer than two vectors, or their lengths differ.</exception>
    public static double Between(IReadOnlyList<float[]> first, IReadOnlyList<float[]> second)
    {
        if (first.Count < 2 || second.Count < 2)
            throw new ArgumentException(
                $"Sets of {first.Count} and {second.Count} vectors have no covariance; at least 2 each are needed.");
        if (first.Concat(second).Any(v => v.Length != first[0].Length)) throw new ArgumentException("The vectors have different lengths.");
        (double[] mean1, double[,] covariance1) = Moments(first);
        (double[] mean2, double[,] covariance2) = Moments(second);
        double[,] root = SymmetricMatrix.SquareRoot(covariance1);
        double[,] inner = SymmetricMatrix.Product(SymmetricMatrix.Product(root, covariance2), root);
        double distance = -2 * SymmetricMatrix.Eigen(Symmetric(inner)).Values.Sum(value => Math.Sqrt(Math.Max(0, value)));
        for (int i = 0; i < mean1.Length; i++)
            distance += (mean1[i] - mean2[i]) * (mean1[i] - mean2[i]) + covariance1[i, i] + covariance2[i, i];
        return Math.Max(0, distance);
    }

    private static (double[] Mean, double[,] Covariance) Moments(IReadOnlyList<float[]> vectors)
    {
        int n = vectors[0].Length;
        var mean = new double[n];
        foreach (float[] vector in vectors)
            for (int i = 0; i < n; i++) mean[i] += (double)vector[i] / vectors.Count;
        var covariance = new double[n, n];
        var centred = new double[n];
        foreach (float[] vector in vectors)
        {
            for (int i = 0; i < n; i++) centred[i] = vector[i] - mean[i];
            for (int i = 0; i < n; i++)
                for (int j = 0; j < n; j++)
                    covariance[i, j] += centred[i] * centred[j] / (vectors.Count - 1);
        }
        return (mean, covariance);
    }

    // Without the asymmetry of rounding.
    private static double[,] Symmetric(double[,] matrix)
    {
        int n = matrix.GetLength(0);
        var symmetric = new double[n, n];
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                symmetric[i, j] = (matrix[i, j] + matrix[j, i]) / 2;
        return symmetric;
    }
}
