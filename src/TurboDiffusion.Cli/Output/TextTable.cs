namespace TurboDiffusion.Cli.Output;

/// <summary>Rows whose columns line up.</summary>
internal static class TextTable
{
    /// <summary>Writes rows; the last column is not padded.</summary>
    /// <param name="output">Where.</param>
    /// <param name="rows">Rows of the same number of columns.</param>
    /// <param name="indent">Spaces before each row.</param>
    public static void Write(TextWriter output, IReadOnlyList<string[]> rows, int indent = 0)
    {
        if (rows.Count == 0) return;
        int[] widths = [.. Enumerable.Range(0, rows[0].Length - 1).Select(column => rows.Max(row => row[column].Length))];
        foreach (string[] row in rows)
            output.WriteLine(new string(' ', indent)
                + string.Concat(widths.Select((width, column) => row[column].PadRight(width + 2))) + row[^1]);
    }
}
