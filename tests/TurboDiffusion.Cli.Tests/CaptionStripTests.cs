using TorchSharp;
using TurboDiffusion.Cli.Plots;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

/// <summary>Captions below the clips of a sheet.</summary>
public class CaptionStripTests
{
    [Fact]
    public void A_caption_has_as_many_lines_as_its_words_need_and_the_last_one_is_seen()
    {
        const string Caption =
            "across a sandy desert there are a little yellow star and a little striped orange circle gliding to the right";
        Assert.Equal((1, 1), (CaptionStrip.Lines("a star", 192), CaptionStrip.Lines(Caption, 2000)));
        int lines = CaptionStrip.Lines(Caption, 192);
        Assert.InRange(lines, 3, 6);
        using torch.Tensor strip = CaptionStrip.Draw(Caption, 192, lines), less = CaptionStrip.Draw("a star", 192, lines);
        Assert.Equal(less.shape, strip.shape);
        long of = strip.shape[0] / lines;
        byte Darkest(torch.Tensor picture)
        {
            using torch.Tensor last = picture.narrow(0, of * (lines - 1), of), darkest = last.min();
            return darkest.item<byte>();
        }
        Assert.InRange(Darkest(strip), 0, 128);
        Assert.Equal(255, Darkest(less));
    }
}
