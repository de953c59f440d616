using System.Globalization;
using ScottPlot.TickGenerators;

namespace TurboDiffusion.Cli.Plots;

/// <summary>The marks of a logarithmic axis, whose coordinates are decimal logarithms.</summary>
internal static class LogarithmicTicks
{
    /// <summary>1, 2 and 5 times the powers of ten; of a wide range, the powers alone.</summary>
    /// <param name="least">The least value, more than 0.</param>
    /// <param name="most">The largest value.</param>
    public static NumericManual Of(double least, double most)
    {
        var ticks = new NumericManual();
        for (int power = (int)Math.Floor(Math.Log10(least)); power <= Math.Log10(most); power++)
            foreach (int digit in most < 1000 * least ? new[] { 1, 2, 5 } : [1])
                ticks.AddMajor(power + Math.Log10(digit),
                    (digit * Math.Pow(10, power)).ToString(power is >= 0 and < 6 ? "0" : "G3", CultureInfo.InvariantCulture));
        return ticks;
    }
}
