using System.Globalization;
using TorchSharp;
using TurboDiffusion.Cli.Plots;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Training.Samples;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

public class RunPlotTests(Models models)
{
    private const string Header = "iteration,model,loss,value,gradient_norm,learning_rate,skipped";

    [Theory]
    [InlineData(1, 0)]
    [InlineData(2000, 0)]
    [InlineData(2000, -0.5)]
    public void Losses_become_a_picture_with_curves_and_letters(int iterations, double offset)
    {
        string log = Path.Combine(models.NewFolder(), "losses.csv"), picture = Path.ChangeExtension(log, ".png");
        var random = new Random(1);
        double Noisy(double value) => value * Math.Exp(0.3 * (random.NextDouble() - 0.5)) + offset;
        IEnumerable<string> lines = Enumerable.Range(1, iterations).SelectMany(i => new[]
        {
            string.Create(CultureInfo.InvariantCulture, $"{i},student,scm,{Noisy(100.0 / i)},1,1E-05,0"),
            string.Create(CultureInfo.InvariantCulture, $"{i},critic,critic,{Noisy(0.3 + 1.0 / i)},1,1E-05,0"),
        });
        File.WriteAllLines(log, [Header, .. lines, "7,student,scm,NaN,NaN,1E-05,1", "8,stud"]);
        Assert.True(LossPlot.Draw(log, picture, "training rcm"));

        using torch.Tensor image = ImageReader.Read(picture);
        Assert.Equal([3, 600, 1000], image.shape);
        // The title, the first curve's blue, the second one's orange.
        Assert.InRange(Pixels.Count(image.narrow(1, 0, 40), 0, 0, 0), 50, 1000);
        if (iterations == 1) return;
        Assert.InRange(Pixels.Count(image, 31, 119, 180), 1000, 100_000);
        Assert.InRange(Pixels.Count(image, 255, 127, 14), 1000, 100_000);
    }

    [Fact]
    public void Scores_become_a_picture_with_a_curve_for_each_attribute()
    {
        string scores = Path.Combine(models.NewFolder(), "scores.csv"), picture = Path.ChangeExtension(scores, ".png");
        const string header = "iteration,seconds,clips,shape,color,background,motion,all";
        File.WriteAllLines(scores, [header]);
        Assert.False(ScorePlot.Draw(scores, picture, "training rcm"));
        File.WriteAllLines(scores, [header, "0,2,130,0.68,0.93,1,0.84,0.65", "500,9,130,0.84,0.98,1,0.9,0.8", "1000,1"]);
        Assert.True(ScorePlot.Draw(scores, picture, "training rcm"));
        using torch.Tensor image = ImageReader.Read(picture);
        Assert.Equal([3, 600, 1000], image.shape);
        // All (thick), shape, colour, background, motion.
        foreach ((int red, int green, int blue) in new[] { (31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189) })
            Assert.InRange(Pixels.Count(image, red, green, blue), 500, 20_000);
        // Times above, beside the numbers on the left and below.
        Assert.InRange(Pixels.Count(image.narrow(1, 40, 50).narrow(2, 100, 880), 0, 0, 0), 100, 2000);
        // Two scores alone: the line that was cut off ends no curve in nothing.
        Assert.Equal(2, ScoreLine.Read(scores).Count);
    }

    [Theory]
    [InlineData(0, 8, "0 s 0|1 s 125|2 s 250|3 s 375|4 s 500|5 s 625|6 s 750|7 s 875|8 s 1000")]
    [InlineData(22, 360, "1 min 112.43|2 min 289.94|3 min 467.46|4 min 644.97|5 min 822.49|6 min 1000")]
    [InlineData(5, 5400, "15 min 165.89|30 min 332.72|45 min 499.54|60 min 666.36|75 min 833.18|90 min 1000")]
    [InlineData(0, 90000, "0 h 0|5 h 200|10 h 400|15 h 600|20 h 800|25 h 1000")]
    public void Times_are_round_and_stand_where_they_were_reached(double first, double last, string expected)
    {
        IEnumerable<string> ticks = TimeTicks.Of([(0, first), (1000, last), (900, last + 1), (1100, last)])
            .Select(t => FormattableString.Invariant($"{t.Label} {t.Place:0.##}"));
        Assert.Equal(expected, string.Join('|', ticks));
    }

    [Fact]
    public void A_time_between_two_scores_follows_the_speed_there()
    {
        // 10 seconds for the first hundred iterations, 50 for the next.
        Assert.Equal([("0 s", 0), ("10 s", 100), ("20 s", 120), ("30 s", 140), ("40 s", 160), ("50 s", 180), ("60 s", 200)],
            TimeTicks.Of([(0, 0), (100, 10), (200, 60)]).Select(t => (t.Label, Math.Round(t.Place, 6))));
        Assert.Empty(TimeTicks.Of([(5, 5)]));
        Assert.Empty(TimeTicks.Of([(5, 5), (5, 9)]));
    }

    [Fact]
    public void There_is_no_picture_without_losses()
    {
        string log = Path.Combine(models.NewFolder(), "losses.csv"), picture = Path.ChangeExtension(log, ".png");
        File.WriteAllLines(log, [Header]);
        Assert.False(LossPlot.Draw(log, picture, "training sla"));
        Assert.False(File.Exists(picture));
    }
}
