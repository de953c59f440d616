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
        // Two scores alone: the line that was cut off ends no curve in nothing.
        Assert.Equal(2, ScoreLine.Read(scores).Count);
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
