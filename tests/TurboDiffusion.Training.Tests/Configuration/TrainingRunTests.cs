using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Lora;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using TurboDiffusion.Tests;
using TurboDiffusion.Tests.Checkpoints;
using TurboDiffusion.Training.Configuration;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Loops;
using TurboDiffusion.Training.Losses;
using TurboDiffusion.Training.Merging;
using TurboDiffusion.Training.Networks;
using TurboDiffusion.Training.Optimization;
using Xunit;

namespace TurboDiffusion.Training.Tests.Configuration;

public class TrainingRunTests
{
    [Fact]
    public void The_whole_chain_runs_from_files_to_a_merged_model()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TestFolder();
        string data = folder.File("data");
        var random = new PhiloxNoise(3);
        for (int i = 0; i < 3; i++) LatentFolder.Add(data, $"{i}", random.Normal(16, 2, 8, 8), random.Normal(3, 8));
        LatentFolder.SetNegative(data, torch.zeros(3, 8));
        var training = new TrainingOptions { Iterations = 3, SaveEvery = 0 };
        string Output(string name) => folder.File(name);
        string Model(string name) => Path.Combine(Output(name), TrainingRun.ModelFile);
        CancellationToken token = TestContext.Current.CancellationToken;

        TrainingRun.Run(new TeacherConfig
        {
            Output = Output("teacher"), Data = data, Training = training,
            Model = new WanConfig(32, 48, 2, 1, textDim: 8, freqDim: 16),
        }, null, token);
        TrainingRun.Run(new SlaConfig
        {
            Output = Output("sla"), Data = data, Teacher = Model("teacher"), Training = training, TopK = 0.5, QueryBlock = 16,
            KeyBlock = 16,
        }, null, token);
        TrainingRun.Run(new RcmConfig
        {
            RecomputeActivations = true, Output = Output("rcm"), Data = data, Teacher = Model("teacher"), Training = training,
            Rcm = new RcmOptions { TangentWarmUp = 1, StudentInterval = 2 },
        }, null, token);

        using ICheckpoint rcm = Checkpoint.OpenModel(Model("rcm")), teacher = Checkpoint.OpenModel(Model("teacher")),
            sla = Checkpoint.OpenModel(Model("sla"));
        MergeReport report = CheckpointMerge.Merge(rcm, teacher, sla, 1, folder.File("turbo.safetensors"), null, token);
        Assert.All(report.CarriedFromTuned, name => Assert.Contains("proj_l", name));
        Assert.Equal(2, report.CarriedFromTuned.Count);
        Assert.Empty(report.KeptFromBase);

        string[] log = File.ReadAllLines(Path.Combine(Output("rcm"), TrainingRun.LossFile));
        Assert.Equal(["1,student,scm", "2,student,scm", "2,student,dmd", "3,critic,critic"],
            log.Skip(1).Select(l => string.Join(',', l.Split(',')[..3])));

        using ICheckpoint turbo = Checkpoint.OpenModel(folder.File("turbo.safetensors"));
        using WanModel model = WanCheckpoint.Load(turbo, AttentionOptions.Sla(0.5, 16, 16), WeightFormat.Float, Placement.Cpu,
            cancellationToken: token);
        Assert.Equal(2, model.Config.NumHeads);
    }

    [Fact]
    public void A_student_begins_from_its_own_checkpoint_where_one_is_named()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TestFolder();
        CancellationToken token = TestContext.Current.CancellationToken;
        string data = folder.File("data");
        var random = new PhiloxNoise(3);
        LatentFolder.Add(data, "0", random.Normal(16, 2, 8, 8), random.Normal(3, 8));
        LatentFolder.SetNegative(data, torch.zeros(3, 8));
        string Model(string name) => Path.Combine(folder.File(name), TrainingRun.ModelFile);
        void Make(string name, ulong seed, int dim) => TrainingRun.Run(new TeacherConfig
        {
            Output = folder.File(name), Data = data, Training = new TrainingOptions { Iterations = 0, Seed = seed },
            Model = new WanConfig(dim, 48, 2, 1, textDim: 8, freqDim: 16),
        }, null, token);
        Make("teacher", 1, 32);
        Make("initial", 2, 48);
        var rcm = new RcmConfig
        {
            Output = folder.File("rcm"), Data = data, Teacher = Model("teacher"), Initial = Model("initial"),
            Training = new TrainingOptions { Iterations = 0 },
        };
        TrainingRun.Run(rcm, null, token);
        TrainingRun.Run(new SlaConfig
        {
            Output = folder.File("sla"), Data = data, Teacher = Model("teacher"), Initial = Model("initial"),
            Training = new TrainingOptions { Iterations = 0 }, TopK = 0.5, QueryBlock = 16, KeyBlock = 16,
        }, null, token);
        using ICheckpoint initial = Checkpoint.OpenModel(Model("initial"));
        foreach (string trained in new[] { "rcm", "sla" })
        {
            using ICheckpoint student = Checkpoint.OpenModel(Model(trained));
            foreach (string name in initial.Tensors.Keys) Comparison.Exact(initial.Read(name), student.Read(name), name);
        }
    }

    [Theory]
    [InlineData(16, 0, 0)]
    [InlineData(36, 0, 0)]
    [InlineData(36, 12, 0)]
    [InlineData(36, 12, 10)]
    [InlineData(48, 0, 0)]
    public void Every_loop_trains_a_LoRA_that_its_base_takes(int inDim, int imageDim, int imagePositions)
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TestFolder();
        CancellationToken token = TestContext.Current.CancellationToken;
        string data = folder.File("data"), teacher = folder.File("teacher"), turbo = folder.File("turbo.safetensors");
        var random = new PhiloxNoise(3);
        // 5B has 48 channels and takes nothing beside them.
        int channels = inDim == 48 ? 48 : 16;
        for (int i = 0; i < 3; i++)
            LatentFolder.Add(data, $"{i}", random.Normal(channels, 2, 8, 8), random.Normal(3, 8),
                inDim > channels ? random.Normal(inDim - channels, 2, 8, 8) : null, imageDim > 0 ? random.Normal(10, imageDim) : null);
        LatentFolder.SetNegative(data, torch.zeros(3, 8));
        var dimensions = new WanConfig(32, 48, 2, 1, inDim, channels, textDim: 8, freqDim: 16, imageDim: imageDim,
            imagePositions: imagePositions);
        var training = new TrainingOptions { Iterations = 4, SaveEvery = 0, Optimizer = new AdamWOptions { LearningRate = 1e-2 } };
        TrainingRun.Run(new TeacherConfig
        {
            Output = teacher, Data = data, Training = training, Model = dimensions,
        }, null, token);
        teacher = Path.Combine(teacher, TrainingRun.ModelFile);
        using (ICheckpoint floats = Checkpoint.OpenModel(teacher))
        {
            Assert.Equal(dimensions, WanCheckpoint.ReadConfig(floats));
            ICheckpoint quantized = WanCheckpoint.As(floats, dimensions, AttentionOptions.Sla(), WeightFormat.Int8);
            SafetensorsWriter.Write(turbo, TensorSource.From(quantized), WanCheckpoint.Metadata(dimensions));
        }

        // A Turbo model as the base: in int8 as its file is, and sparse.
        var student = new LoraTrainingOptions { Rank = 2, Attention = AttentionKind.Sla, TopK = 0.5, Block = 16 };
        TransformerRunConfig[] configs =
        [
            new TeacherConfig { Output = folder.File("a"), Data = data, Training = training, Initial = teacher, Lora = new() { Rank = 2 } },
            new TeacherConfig { Output = folder.File("b"), Data = data, Training = training, Initial = turbo, Lora = student },
            new SlaConfig
            {
                Output = folder.File("c"), Data = data, Teacher = teacher, Training = training, TopK = 0.5, QueryBlock = 16, KeyBlock = 16,
                Lora = new() { Rank = 2, Alpha = 1, Weights = WeightFormat.Int8 },
            },
            new RcmConfig
            {
                Output = folder.File("d"), Data = data, Teacher = teacher, Initial = turbo, Training = training,
                Rcm = new RcmOptions { TangentWarmUp = 1, StudentInterval = 2 }, Lora = student, RecomputeActivations = true,
            },
            new RcmConfig
            {
                Output = folder.File("e"), Data = data, Teacher = teacher, Training = training,
                Rcm = new RcmOptions { TangentWarmUp = 1, StudentInterval = 2 }, Lora = new() { Rank = 2 },
            },
        ];
        foreach (TransformerRunConfig config in configs)
        {
            TrainingRun.Run(config, null, token);
            string file = Path.Combine(config.Output, TrainingRun.LoraFile);
            Assert.False(File.Exists(Path.Combine(config.Output, TrainingRun.ModelFile)));
            foreach (string path in new[] { teacher, turbo })
            {
                using var loras = LoraSet.Open([new LoraOptions(file)]);
                using ICheckpoint checkpoint = Checkpoint.OpenModel(path);
                var merged = Assert.IsType<LoraCheckpoint>(loras.MergeInto(checkpoint, 0, 1));
                Assert.Equal((imageDim > 0 ? 12 : 10, 0), (merged.ChangedTensors, loras.Warnings.Count));
            }
            // In two parts, the same file.
            TransformerRunConfig half = config with { Output = config.Output + "-parts", Training = training with { Iterations = 2 } };
            TrainingRun.Run(half, null, token);
            TrainingRun.Run(half with { Training = training }, null, token);
            Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(half.Output, TrainingRun.LoraFile)));
            Assert.Equal(config.ToJson(), File.ReadAllText(Path.Combine(config.Output, TrainingRun.ConfigFile)));
        }

        Refused((TeacherConfig)configs[0] with { Initial = null, Model = dimensions }, "initial");
        Refused((SlaConfig)configs[2] with { Lora = student }, "topK, queryBlock");
        Refused(configs[1] with { Lora = student with { Attention = AttentionKind.SageSla } }, "SageSla attention, which has no gradients");
        Refused(configs[1] with { Lora = student with { Rank = 0 } }, "rank 0");

        void Refused(TransformerRunConfig config, string culprit) => Assert.Contains(culprit,
            Assert.Throws<InvalidRequestException>(() => TrainingRun.Run(config with { Output = folder.File("no") }, null, token)).Message);
    }

    [Theory]
    [InlineData(16, 36, 0, "has no 'image', and the model takes 20 channels of it")]
    [InlineData(16, 36, 12, "has no 'image', and")]
    [InlineData(36, 16, 0, "has 'image' of Float32 [20, 2, 8, 8], and the model takes none.")]
    [InlineData(36, 36, 12, "has no 'image_tokens', and the model takes 12 values a row of it")]
    [InlineData(36, 52, 0, "has 'image' of Float32 [20, 2, 8, 8], and the model takes 36 channels of it")]
    public void Data_of_another_model_is_refused_before_the_first_step(int encodedFor, int inDim, int imageDim, string reason)
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TestFolder();
        string data = folder.File("data");
        LatentFolder.Add(data, "0", torch.zeros(16, 2, 8, 8), torch.zeros(3, 8), encodedFor > 16 ? torch.zeros(20, 2, 8, 8) : null);
        LatentFolder.SetNegative(data, torch.zeros(3, 8));
        var config = new TeacherConfig
        {
            Output = folder.File("out"), Data = data,
            Model = new WanConfig(32, 48, 2, 1, inDim, textDim: 8, freqDim: 16, imageDim: imageDim),
        };
        Assert.Contains(reason, Assert.Throws<CheckpointException>(
            () => TrainingRun.Run(config, null, TestContext.Current.CancellationToken)).Message);
        InvalidRequestException captions = Assert.Throws<InvalidRequestException>(() => TrainingRun.Run(
            config with { Data = data + ".safetensors", Model = new WanConfig(32, 48, 2, 1, 36, textDim: 8, freqDim: 16) }, null,
            TestContext.Current.CancellationToken));
        Assert.Contains("captions and no images", captions.Message);
    }

    [Fact]
    public void A_vae_trains_from_a_folder_of_clips()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TestFolder();
        string data = folder.File("clips");
        ClipFolder.Add(data, "a", torch.full([3, 5, 16, 16], 100, torch.ScalarType.Byte));
        var config = new VaeTrainingConfig
        {
            Output = folder.File("vae"), Data = data, Width = 8, Frames = 5, Height = 16, CropWidth = 16,
            Training = new TrainingOptions { Iterations = 1 },
        };
        TrainingRun.Run(config, null, TestContext.Current.CancellationToken);
        using ICheckpoint vae = Checkpoint.OpenModel(Path.Combine(config.Output, TrainingRun.ModelFile));
        Assert.Equal(8, Models.Vae.VaeConfig.FromCheckpoint(vae).Dim);
        Assert.Throws<InvalidRequestException>(() =>
            TrainingRun.Run(config with { Frames = 9 }, null, TestContext.Current.CancellationToken));
        Assert.Throws<InvalidRequestException>(() =>
            TrainingRun.Run(config with { Width = null }, null, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_configuration_survives_its_file()
    {
        using var folder = new TestFolder();
        var config = new RcmConfig
        {
            Output = "out", Data = "data", Teacher = "t.safetensors",
            Rcm = new RcmOptions { SimulationTimes = [1.2], Discrete = true }, MatchingTimes = new TimeOptions { Shift = 3 },
        };
        RcmConfig read = RunConfig.Load<RcmConfig>(folder.Write("c.json", config.ToJson()));
        Assert.Equal(config.ToJson(), read.ToJson());
        Assert.Equal([1.2], read.Rcm.SimulationTimes);

        TeacherConfig teacher = RunConfig.Load<TeacherConfig>(folder.Write("t.json", """
            { "output": "o", "data": "d", "model": { "dim": 64, "ffnDim": 96, "numHeads": 4, "numLayers": 2 }, // a comment
              "training": { "iterations": 5, "optimizer": { "learningRate": 0.1 } } }
            """));
        Assert.Equal(new WanConfig(64, 96, 4, 2), teacher.Model);
        Assert.Equal(0.1, teacher.Training.Optimizer.LearningRate);
    }

    [Theory]
    [InlineData("""{ "output": "o", "data": "d", "teacher": "t", "learning_rate": 1 }""", "learning_rate")]
    [InlineData("""{ "output": "o", "data": "d" }""", "teacher")]
    [InlineData("""{ "output": """, "config")]
    public void A_wrong_configuration_is_refused_by_name(string json, string culprit)
    {
        using var folder = new TestFolder();
        InvalidRequestException error =
            Assert.Throws<InvalidRequestException>(() => RunConfig.Load<SlaConfig>(folder.Write("c.json", json)));
        Assert.Contains(culprit, error.Message);
        Assert.Throws<InvalidRequestException>(() => RunConfig.Load<SlaConfig>(folder.File("none.json")));
    }

    [Fact]
    public void An_unknown_device_or_type_is_refused()
    {
        var config = new SlaConfig { Output = "o", Data = "d", Teacher = "t" };
        Assert.Equal(torch.ScalarType.BFloat16, (config with { Dtype = "bfloat16" }).Placement.Dtype);
        Assert.Throws<InvalidRequestException>(() => (config with { Dtype = "int8" }).Placement);
        Assert.Throws<InvalidRequestException>(() => (config with { Device = "tpu" }).Placement);
        Assert.Throws<InvalidRequestException>(() => (config with { Device = "cuda:99" }).Placement);
    }
}
