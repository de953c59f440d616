using TurboDiffusion.Tests.Checkpoints;
using TurboDiffusion.Training.Loops;
using Xunit;

namespace TurboDiffusion.Training.Tests.Loops;

public class LossLogTests
{
    [Fact]
    public void A_resumed_run_drops_the_lines_past_its_state_and_what_a_crash_cut_off()
    {
        using var folder = new TestFolder();
        string path = folder.File("losses.csv");
        using (var log = new LossLog(path, 0))
            for (int i = 1; i <= 4; i++) log.Report(Iteration(i, i / 10.0));
        File.AppendAllText(path, "5,student,sc");
        using (var log = new LossLog(path, 2)) log.Report(Iteration(3, 9));
        Assert.Equal(
            ["iteration,model,loss,value,gradient_norm,learning_rate,skipped", "1,student,scm,0.1,2,0.001,0", "2,student,scm,0.2,2,0.001,0",
                "3,student,scm,9,2,0.001,0"],
            File.ReadAllLines(path));
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    private static TrainingProgress Iteration(int iteration, double loss) =>
        new(iteration, 10, "student", new Dictionary<string, double> { ["scm"] = loss }, 2, 1e-3, false, TimeSpan.Zero, TimeSpan.Zero);
}
