namespace TurboDiffusion.Evaluation.Metrics;

/// <summary>Eigenvalues of symmetric matrices, by Jacobi's rotations in double precision.</summary>
internal static class SymmetricMatrix
{
    private const int MostSweeps = 60;

    /// <summary>Splits a matrix into V·diag(values)·Vᵀ.</summary>
    /// <param name="matrix"><c>[n, n]</c>, symmetric; left as it is.</param>
    /// <returns>The eigenvalues, in no order, and the eigenvectors as the columns of a matrix.</returns>
    public static (double[] Values, double[,] Vectors) Eigen(double[,] matrix)
    {
        int n = matrix.GetLength(0);
        var a = (double[,])matrix.Clone();
        var v = new double[n, n];
        double scale = 0;
        for (int i = 0; i < n; i++) v[i, i] = 1;
        foreach (double value in a) scale += value * value;
        for (int sweep = 0; sweep < MostSweeps && OffDiagonal(a) > 1e-26 * scale; sweep++)
            for (int p = 0; p < n - 1; p++)
                for (int q = p + 1; q < n; q++)
                    Rotate(a, v, p, q);
        return ([.. Enumerable.Range(0, n).Select(i => a[i, i])], v);
    }

    /// <summary>The square root of a symmetric matrix without negative eigenvalues; those that rounding made negative count as 0.</summary>
    /// <param name="matrix"><c>[n, n]</c>.</param>
    public static double[,] SquareRoot(double[,] matrix)
    {
        (double[] values, double[,] vectors) = Eigen(matrix);
        int n = values.Length;
        var root = new double[n, n];
        for (int k = 0; k < n; k++)
        {
            double s = Math.Sqrt(Math.Max(0, values[k]));
            for (int i = 0; i < n; i++)
                for (int j = 0; j < n; j++)
                    root[i, j] += s * vectors[i, k] * vectors[j, k];
        }
        return root;
    }

    /// <summary>The product of two square matrices.</summary>
    public static double[,] Product(double[,] left, double[,] right)
    {
        int n = left.GetLength(0);
        var product = new double[n, n];
        for (int i = 0; i < n; i++)
            for (int k = 0; k < n; k++)
                for (int j = 0; j < n; j++)
                    product[i, j] += left[i, k] * right[k, j];
        return product;
    }

    private static double OffDiagonal(double[,] a)
    {
        double sum = 0;
        for (int i = 0; i < a.GetLength(0); i++)
            for (int j = 0; j < i; j++)
                sum += 2 * a[i, j] * a[i, j];
        return sum;
    }

    // Turns the plane of p and q so that a[p, q] becomes 0.
    private static void Rotate(double[,] a, double[,] v, int p, int q)
    {
        if (a[p, q] == 0) return;
        double theta = (a[q, q] - a[p, p]) / (2 * a[p, q]);
        double t = (theta >= 0 ? 1 : -1) / (Math.Abs(theta) + Math.Sqrt(theta * theta + 1)), c = 1 / Math.Sqrt(t * t + 1), s = t * c;
        int n = a.GetLength(0);
        for (int k = 0; k < n; k++) (a[k, p], a[k, q]) = (c * a[k, p] - s * a[k, q], s * a[k, p] + c * a[k, q]);
        for (int k = 0; k < n; k++) (a[p, k], a[q, k]) = (c * a[p, k] - s * a[q, k], s * a[p, k] + c * a[q, k]);
        for (int k = 0; k < n; k++) (v[k, p], v[k, q]) = (c * v[k, p] - s * v[k, q], s * v[k, p] + c * v[k, q]);
    }
}
