using TurboDiffusion.Cli.Output;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

public class ProgressLinesTests
{
    [Fact]
    public void A_log_has_the_beginning_and_end_of_each_stage_and_a_line_now_and_then()
    {
        using var log = new StringWriter { NewLine = "\n" };
        var time = new Clock();
        var lines = new ProgressLines(log, time);
        for (int step = 0; step <= 20; step++)
        {
            lines.Report(new ProgressState("denoising", step, 20, "steps", TimeSpan.FromSeconds(20 - step)));
            time.Now += TimeSpan.FromSeconds(1);
        }
        lines.Report(new ProgressState("decoding", 0, 5, "frames", null));
        Assert.Equal(
            """
            denoising, 0 of 20 steps, 0:20 left
            denoising, 5 of 20 steps, 0:15 left
            denoising, 10 of 20 steps, 0:10 left
            denoising, 15 of 20 steps, 0:05 left
            denoising, 20 of 20 steps
            decoding, 0 of 5 frames

            """, log.ToString());
    }

    private sealed class Clock : TimeProvider
    {
        public TimeSpan Now { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;
    }
}
