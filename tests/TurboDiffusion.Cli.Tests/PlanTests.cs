using System.Text.Json;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

public class PlanTests(Models models)
{
    [Fact]
    public void A_published_model_is_planned_without_files_and_what_does_not_fit_is_refused_with_what_does()
    {
        CommandRun fits = CommandRun.Of(["plan", "wan2.1-t2v-1.3b", "--card", "rtx4090", "--json"]);
        Assert.Equal(0, fits.ExitCode);
        JsonElement plan = JsonDocument.Parse(fits.Out).RootElement;
        Assert.Equal(("resident", true, "RTX 4090"), (plan.GetProperty("residency").GetString(), plan.GetProperty("fits").GetBoolean(),
            plan.GetProperty("card").GetProperty("name").GetString()));
        Assert.Equal(JsonValueKind.Null, plan.GetProperty("seconds").ValueKind);
        Assert.Equal(plan.GetProperty("peakBytes").GetInt64(),
            plan.GetProperty("stages").EnumerateArray().Max(s => s.GetProperty("bytes").GetInt64()));

        // In int8, the text encoder stays on a card where it does not in bfloat16.
        CommandRun text = CommandRun.Of(["plan", "Wan2.1-T2V-1.3B", "--card", "16GB", "--text-encoder-weights", "int8"]);
        Assert.Contains("int8 text encoder", text.Out);
        Assert.Contains("resident: all weights together take", text.Out);
        Assert.Contains("staged: all weights together take", CommandRun.Of(["plan", "Wan2.1-T2V-1.3B", "--card", "16GB"]).Out);

        CommandRun staged = CommandRun.Of(["plan", "Wan2.1-T2V-1.3B", "--card", "12GB"]);
        Assert.Equal(0, staged.ExitCode);
        Assert.Contains("staged: all weights together take", staged.Out);

        CommandRun swapped = CommandRun.Of(["plan", "Wan2.1-T2V-14B", "--card", "12GB", "--size", "832x480", "--json"]);
        Assert.Equal(0, swapped.ExitCode);
        JsonElement swappedPlan = JsonDocument.Parse(swapped.Out).RootElement;
        Assert.Equal("swapped", swappedPlan.GetProperty("residency").GetString());
        Assert.InRange(swappedPlan.GetProperty("hostBytes").GetInt64(), 13L << 30, 15L << 30);
        Assert.Contains("while the one before it runs", swappedPlan.GetProperty("reason").GetString());

        CommandRun asked = CommandRun.Of(["plan", "Wan2.1-T2V-1.3B", "--card", "H100", "--residency", "swapped"]);
        Assert.Equal(0, asked.ExitCode);
        Assert.Contains("swapped: as it was asked for", asked.Out);
        Assert.Contains("at 55 GB/s", asked.Out);

        CommandRun refused = CommandRun.Of(["plan", "Wan2.2-T2V-A14B", "--card", "16GB", "--size", "1280x720", "--weights", "float"]);
        Assert.Equal(1, refused.ExitCode);
        string error = string.Join('\n', refused.Errors);
        Assert.Contains("Nearest that fit: int8 weights, --residency swapped", error);
        Assert.Contains("frames", error);
    }

    [Fact]
    public void Seconds_are_told_where_they_were_measured()
    {
        string Seconds(string card, params string[] more) =>
            CommandRun.Of(["plan", "Wan2.1-T2V-14B", "--size", "1280x720", "--card", card, .. more]).Out;
        // docs/performance.md: 2.679 s a step, 1.07 s of decoding.
        foreach (string card in new[] { "H100", "H200" })
        {
            Assert.Contains("expected: denoising 10.7 s, decoding 1.1 s", Seconds(card));
            Assert.Contains("measured on an H200", Seconds(card));
        }
        Assert.Contains("none is told", Seconds("H100", "--attention", "dense"));
        Assert.Contains("none is told", Seconds("RTX PRO 6000"));
    }

    [Fact]
    public void A_model_of_files_is_planned_from_their_headers_and_bad_values_are_refused()
    {
        CommandRun run = CommandRun.Of(["plan", models.Folder, "--size", "32x32", "--frames", "5", "--card", "cpu"]);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("decoding", run.Out);
        foreach ((string[] bad, string word) in new (string[], string)[]
                 {
                     (["--card", "RTX 9999"], "RTX 4090"), (["--frames", "6"], "4k + 1"), (["--vae", "big"], "tiny"),
                     (["--steps", "0"], "at least 1"),
                 })
            Assert.Contains(word, string.Join('\n', CommandRun.Of(["plan", models.Folder, .. bad]).Errors));
    }
}
