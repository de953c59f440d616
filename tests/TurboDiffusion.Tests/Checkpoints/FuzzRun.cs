using System.Diagnostics;
using System.Globalization;
using CsCheck;
using Xunit;

namespace TurboDiffusion.Tests.Checkpoints;

/// <summary>
/// Runs one property over many cases: for a second, or with TURBODIFFUSION_FUZZ_CASES over so many, whose counts are printed.
/// </summary>
internal sealed class FuzzRun
{
    /// <summary>The variable that asks for the long form.</summary>
    public const string Variable = "TURBODIFFUSION_FUZZ_CASES";

    private const int Seconds = 1, Fewest = 60;

    // What one case may take and allocate, whatever it asks for. Time is generous: it counts what else the machine does.
    private const long MostBytes = 64L << 20;
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(60);

    private int _accepted, _refused;

    /// <summary>Cases that were accepted.</summary>
    public int Accepted => _accepted;

    /// <summary>Cases that ended in the typed error.</summary>
    public int Refused => _refused;

    /// <summary>Runs it. Any error but a <see cref="TurboDiffusionException"/> with a message of a screen's length fails.</summary>
    public static FuzzRun Of<T>(string name, Gen<T> cases, Action<T> run)
    {
        var counts = new FuzzRun();
        var clock = Stopwatch.StartNew();
        void One(T input)
        {
            long allocated = GC.GetAllocatedBytesForCurrentThread();
            var time = Stopwatch.StartNew();
            try
            {
                run(input);
                counts._accepted++;
            }
            catch (TurboDiffusionException e)
            {
                counts._refused++;
                Assert.InRange(e.Message.Length, 10, 2100);
            }
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - allocated, 0, MostBytes);
            Assert.True(time.Elapsed < Longest, $"it took {time.Elapsed}");
        }

        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } many)
        {
            cases.Sample(One, iter: long.Parse(many, CultureInfo.InvariantCulture), threads: 1);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"fuzz: {name}: {counts._accepted + counts._refused} cases, {counts._refused} refused, {counts._accepted} accepted, "
                    + $"{clock.Elapsed.TotalSeconds:0} s"));
        }
        else
        {
            cases.Sample(One, time: Seconds, threads: 1);
            // A busy machine does few in that time.
            while (counts._accepted + counts._refused < Fewest) cases.Sample(One, iter: Fewest / 4, threads: 1);
        }
        return counts;
    }
}
