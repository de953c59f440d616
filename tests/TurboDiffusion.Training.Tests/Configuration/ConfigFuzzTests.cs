using CsCheck;
using TorchSharp;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Sampling;
using TurboDiffusion.Tests.Checkpoints;
using TurboDiffusion.Training.Configuration;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Loops;
using Xunit;

namespace TurboDiffusion.Training.Tests.Configuration;

/// <summary>Configurations that are well formed and ask for what cannot be: the typed error, before memory is taken.</summary>
public sealed class ConfigFuzzTests : IDisposable
{
    private static readonly TrainingOptions NoIterations = new() { Iterations = 0 };
    private static readonly Gen<(double At, int Kind)[]> Changes = Gen.Select(Gen.Double[0, 1], Gen.Int[0, JsonMutation.Kinds]).Array[1, 2];

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Of_a_vae()
    {
        string seed = new VaeTrainingConfig
        {
            Output = _folder.File("run"), Training = NoIterations, Width = 8, Frames = 1, Height = 16, CropWidth = 16,
            World = new WorldOptions { Clips = 1, Width = 64, Height = 48, Frames = 1 },
        }.ToJson();
        Fuzz("configurations of a VAE", seed, path => TrainingRun.Run(RunConfig.Load<VaeTrainingConfig>(path)));
    }

    [Fact]
    public void Of_a_transformer()
    {
        string data = _folder.File("data");
        LatentFolder.Add(data, "0", new PhiloxNoise(1).Normal(16, 2, 8, 8), new PhiloxNoise(1).Normal(3, 8));
        LatentFolder.SetNegative(data, torch.zeros(3, 8));
        string seed = new TeacherConfig
        {
            Output = _folder.File("run"), Data = data, Training = NoIterations,
                Model = new WanConfig(32, 48, 2, 1, textDim: 8, freqDim: 16),
        }.ToJson();
        Fuzz("configurations of a transformer", seed, path => TrainingRun.Run(RunConfig.Load<TeacherConfig>(path)));
    }

    [Fact]
    public void Of_the_other_loops()
    {
        string sla = new SlaConfig
            {
                Output = _folder.File("run"), Data = "data", Teacher = "none", Training = NoIterations, Lora = new(),
            }.ToJson(),
            rcm = new RcmConfig { Output = _folder.File("run"), Data = "data", Teacher = "none", Training = NoIterations }.ToJson();
        Fuzz("configurations of SLA", sla, path => RunConfig.Load<SlaConfig>(path));
        Fuzz("configurations of rCM", rcm, path => RunConfig.Load<RcmConfig>(path));
    }

    [Theory]
    [InlineData(int.MinValue)]
    [InlineData(0)]
    [InlineData(1025)]
    public void A_width_that_no_vae_can_have_is_refused(int width)
    {
        var config = new VaeTrainingConfig
        {
            Output = _folder.File("run"), Training = NoIterations, Width = width, World = new WorldOptions { Clips = 1 },
        };
        Assert.Contains($"The width is {width}", Assert.Throws<InvalidRequestException>(() => TrainingRun.Run(config)).Message);
    }

    [Fact]
    public void An_output_without_a_name_is_refused()
    {
        var config = new VaeTrainingConfig { Output = "" };
        Assert.Contains("The output is empty", Assert.Throws<InvalidRequestException>(() => TrainingRun.Run(config)).Message);
    }

    private void Fuzz(string name, string seed, Action<string> run)
    {
        FuzzRun counts = FuzzRun.Of(name, Changes, changes =>
        {
            if (Directory.Exists(_folder.File("run"))) Directory.Delete(_folder.File("run"), recursive: true);
            using var scope = torch.NewDisposeScope();
            string json = changes.Aggregate(seed, (text, c) => JsonMutation.Mutate(text, c.At, c.Kind));
            // Whatever it names, nothing outside of the test's folder is written, nothing is trained, and the default world of a
            // thousand clips, which is a right thing to ask for, is not drawn.
            json = json.Replace("../../etc/passwd", _folder.File("elsewhere"));
            if (!json.Contains("\"iterations\": 0", StringComparison.Ordinal) || json.Contains("\"world\": {}", StringComparison.Ordinal))
                json = seed;
            run(_folder.Write("config.json", json));
        });
        Assert.True(counts.Refused > 1, $"{counts.Refused} refused, {counts.Accepted} accepted");
    }
}
