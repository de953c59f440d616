using TorchSharp;
using TorchSharp.Modules;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Lora;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using TurboDiffusion.Tests;
using TurboDiffusion.Tests.Checkpoints;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Losses;
using TurboDiffusion.Training.Loops;
using TurboDiffusion.Training.Networks;
using TurboDiffusion.Training.Optimization;
using Xunit;

namespace TurboDiffusion.Training.Tests.Loops;

/// <summary>Flow matching of factors beside dense float weights.</summary>
public class LoraTeacherTrainingTests : TeacherTrainingTests
{
    protected override TrainingOptions Options => base.Options
        with { Optimizer = new AdamWOptions { LearningRate = 1e-2 }, Iterations = 40 };

    protected override ITrainingTask Create(TrainingOptions options)
    {
        WanModel model = SmallWorld.Transformer(trained: true, image: Image);
        SmallLora.Add(model);
        return new TeacherTraining(model, SmallWorld.Latents(Image), new ShiftedUniformTimes(3), 0.1, options);
    }
}

/// <summary>The same of a model that sees an image twice: beside the latents and in its cross-attention.</summary>
public class LoraImageTeacherTrainingTests : LoraTeacherTrainingTests
{
    protected override ImageInput Image => ImageInput.Branch;
}

/// <summary>Factors that bring a student with sparse-linear attention and int8 weights nearer to its dense float teacher.</summary>
public class LoraSlaInt8TuningTests : SlaTuningTests
{
    protected override TrainingOptions Options => base.Options with { Optimizer = new AdamWOptions { LearningRate = 1e-2 } };

    protected override ITrainingTask Create(TrainingOptions options)
    {
        WanModel student = SmallLora.Int8(Teacher);
        SmallLora.Add(student);
        return new SlaTuning(student, Teacher, SmallWorld.Latents(Image), new LogNormalTimes(1.5, 1.6), options);
    }
}

/// <summary>The same of a model between a first and a last frame.</summary>
public class LoraImageSlaInt8TuningTests : LoraSlaInt8TuningTests
{
    protected override ImageInput Image => ImageInput.BothFrames;
}

/// <summary>Distillation into factors, with a critic that is factors beside the teacher's weights, too.</summary>
public class LoraRcmDistillationTests : RcmDistillationTests
{
    protected override TrainingOptions Options => base.Options with { Optimizer = new AdamWOptions { LearningRate = 3e-3 } };

    protected override ITrainingTask Create(TrainingOptions options)
    {
        WanModel student = SmallWorld.Copy(Teacher), critic = SmallWorld.Copy(Teacher);
        foreach (WanModel model in new[] { student, critic })
        {
            Weights.Share(Teacher, model);
            SmallLora.Add(model);
        }
        return new RcmDistillation(student, Teacher, critic, SmallWorld.Latents(), new LogNormalTimes(0.7, 1.6),
            new ShiftedUniformTimes(5), Rcm, new AdamWOptions { LearningRate = 1e-3 }, options);
    }
}

public sealed class LoraTrainingTests : IDisposable
{
    private readonly DisposeScope _scope = torch.NewDisposeScope();
    private readonly TestFolder _folder = new();

    public static TheoryData<ImageInput, bool, bool> Bases => new()
    {
        { ImageInput.None, false, false }, { ImageInput.None, true, false }, { ImageInput.None, true, true },
        { ImageInput.Channels, true, false }, { ImageInput.Branch, false, true }, { ImageInput.Branch, true, true },
        { ImageInput.BothFrames, true, false },
    };

    public void Dispose()
    {
        _scope.Dispose();
        _folder.Dispose();
    }

    /// <summary>The one that counts: what is trained is what a generation with the file runs.</summary>
    [Theory]
    [MemberData(nameof(Bases))]
    public void The_written_LoRA_merged_into_its_base_is_the_trained_model(ImageInput image, bool int8, bool recompute)
    {
        WanModel model = Base(int8, image);
        model.RecomputesActivations = recompute;
        using ICheckpoint checkpoint = Saved(model);
        torch.Tensor before = Predict(model, image);
        SmallLora.Add(model, rank: 4, alpha: 6);
        Comparison.Exact(before, Predict(model, image), "factors that begin at zero");
        using TeacherTraining task = Train(model, 12, image);

        task.Models[0].Export(_folder.File("lora.safetensors"));
        using var loras = LoraSet.Open([new LoraOptions(_folder.File("lora.safetensors"))]);
        using ICheckpoint file = SafetensorsFile.Open(_folder.File("lora.safetensors"));
        Assert.Equal((image >= ImageInput.Branch ? 12 : 10) * 3, file.Tensors.Count);
        Assert.Equal(image >= ImageInput.Branch, file.Tensors.ContainsKey("diffusion_model.blocks.0.cross_attn.k_img.lora_down.weight"));
        Assert.All(file.Tensors.Keys, name => Assert.StartsWith("diffusion_model.blocks.0.", name));
        using torch.Tensor alpha = file.Read("diffusion_model.blocks.0.ffn.2.alpha");
        Assert.Equal(6, alpha.item<float>());
        using WanModel merged = WanCheckpoint.Load(loras.MergeInto(checkpoint, 0, 1), model.Attention, model.Weights, Placement.Cpu,
            cancellationToken: TestContext.Current.CancellationToken);
        Assert.Empty(loras.Warnings);

        torch.Tensor trained;
        using (task.Models[0].UseAverages()) trained = Predict(model, image);
        Comparison.RelativeL2(Predict(merged, image), trained, 1e-5, "merged");
        Assert.True((trained - before).norm().ToSingle() > 0.02 * before.norm().ToSingle(), "the training changed the model");
    }

    [Theory]
    [MemberData(nameof(Bases))]
    public void Only_the_factors_are_trained_and_only_they_take_memory(ImageInput image, bool int8, bool recompute)
    {
        WanModel model = Base(int8, image);
        model.RecomputesActivations = recompute;
        Dictionary<string, torch.Tensor> before = model.state_dict().ToDictionary(s => s.Key, s => s.Value.clone());
        SmallLora.Add(model);
        using TeacherTraining task = Train(model, 1, image);
        foreach ((string name, torch.Tensor value) in before) Comparison.Exact(value, model.state_dict()[name], name);
        foreach ((string name, Parameter parameter) in model.named_parameters())
            Assert.Equal(name.Contains(".lora_", StringComparison.Ordinal), parameter.requires_grad);
        string[] factors = [.. LoraFactors.Of(model).Keys.SelectMany(l => new[] { $"{l}.lora_down.weight", $"{l}.lora_up.weight" })];
        Assert.Equal(factors.Order(), task.Models[0].Parameters.Keys.Order());
        // Weights, two moments, masters and averages of the factors, and nothing else.
        long saved = new FileInfo(Path.Combine(_folder.File("run"), Trainer.StateFile)).Length;
        long floats = task.Models[0].Parameters.Values.Sum(p => p.numel());
        Assert.InRange(saved, 5 * 4 * floats, 5 * 4 * floats + 20_000);
    }

    [Theory]
    [MemberData(nameof(Bases))]
    public void Every_factor_gets_a_gradient(ImageInput image, bool int8, bool recompute)
    {
        WanModel model = Base(int8, image);
        model.RecomputesActivations = recompute;
        bool text = image < ImageInput.Branch;
        // Without the layers of the text's keys and values, no input of a block asks for a gradient.
        LoraFactors.Add(model, new LoraTrainingOptions
        {
            Rank = 2, Layers = recompute ? [.. text ? [] : LoraTrainingOptions.ImageBranchLayers, "self_attn.q", "ffn.2"]
                : [.. LoraTrainingOptions.BlockLayers, .. text ? [] : (string[])["cross_attn.k_img", "img_emb.proj.1"], "head.head",
                    "text_embedding.0"],
        }, new PhiloxNoise(1));
        SmallLora.Randomize(model);
        using var task = new TeacherTraining(model, SmallWorld.Latents(image), new ShiftedUniformTimes(3), 0, new TrainingOptions());
        Loss(model, image).backward();
        foreach ((string name, Parameter parameter) in task.Models[0].Parameters)
            Assert.True(parameter.grad is { } gradient && gradient.norm().ToSingle() > 0, name);
        Assert.Equal((recompute ? 4 : 24) + (text ? 0 : 4), task.Models[0].Parameters.Count);
        Assert.All(model.named_parameters().Where(p => !p.name.Contains(".lora_", StringComparison.Ordinal)),
            p => Assert.Null(p.parameter.grad));
    }

    [Fact]
    public void Recomputed_activations_give_the_factors_the_same_gradients()
    {
        WanModel kept = Base(int8: true, ImageInput.None), recomputed = Base(int8: true, ImageInput.None);
        recomputed.RecomputesActivations = true;
        foreach (WanModel model in new[] { kept, recomputed })
        {
            SmallLora.Add(model);
            SmallLora.Randomize(model);
            foreach ((string name, Parameter parameter) in model.named_parameters())
                parameter.requires_grad_(name.Contains(".lora_", StringComparison.Ordinal));
            Loss(model, ImageInput.None).backward();
        }
        foreach (((string name, Parameter a), (_, Parameter b)) in kept.named_parameters().Zip(recomputed.named_parameters()))
            if (a.grad is { } gradient) Comparison.RelativeL2(gradient, b.grad!, 1e-4, name);
    }

    [Fact]
    [Trait("Category", "Gpu")]
    public void A_LoRA_learns_through_sparse_attention_and_int8_on_a_GPU()
    {
        RequiredGpu.Check();
        WanModel onCpu = Base(int8: true, ImageInput.None);
        using var model = new WanModel(onCpu.Config, onCpu.Attention, WeightFormat.Int8,
            new Placement(torch.CUDA, torch.ScalarType.BFloat16)) { RecomputesActivations = true };
        Weights.Copy(onCpu, model);
        SmallLora.Add(model);
        var options = new TrainingOptions
        {
            Iterations = 60, BatchSize = 4, Optimizer = new AdamWOptions { LearningRate = 1e-2 }, SaveEvery = 0,
        };
        using var task = new TeacherTraining(model, SmallWorld.Latents(), new ShiftedUniformTimes(3), 0.1, options);
        var losses = new List<double>();
        new Trainer(task, options, _folder.File("run")).Run(new Record(losses), TestContext.Current.CancellationToken);
        Assert.True(losses.TakeLast(15).Average() < 0.85 * losses.Take(15).Average(), string.Join(", ", losses));
    }

    private sealed class Record(List<double> losses) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => losses.AddRange(value.Losses.Values);
    }

    [Fact]
    public void Shared_weights_are_held_once()
    {
        WanModel teacher = Base(int8: false, ImageInput.None), student = SmallWorld.Copy(teacher, SmallWorld.Sparse);
        torch.Tensor before = Predict(student, ImageInput.None);
        Weights.Share(teacher, student);
        Comparison.Exact(before, Predict(student, ImageInput.None), "shared");
        using var noGrad = torch.no_grad();
        Dictionary<string, torch.Tensor> of = student.state_dict();
        foreach ((string name, torch.Tensor value) in teacher.state_dict())
        {
            value.fill_(3);
            Assert.Equal(3, of[name].max().ToSingle());
        }
    }

    [Theory]
    [InlineData(0, 1.0, "self_attn.q", "rank 0")]
    [InlineData(5000, 1.0, "self_attn.q", "rank 5000")]
    [InlineData(4, 0.0, "self_attn.q", "alpha 0")]
    [InlineData(4, double.NaN, "self_attn.q", "alpha NaN")]
    [InlineData(4, 4.0, "self_attn.w", "'self_attn.w'; give some of patch_embedding, ")]
    [InlineData(4, 4.0, null, "no layer; give some of ")]
    public void What_cannot_be_trained_is_refused(int rank, double alpha, string? layer, string culprit)
    {
        InvalidRequestException error = Assert.Throws<InvalidRequestException>(() => LoraFactors.Add(SmallWorld.Transformer(),
            new LoraTrainingOptions { Rank = rank, Alpha = alpha, Layers = layer is null ? [] : [layer] }, new PhiloxNoise(1)));
        Assert.Contains(culprit, error.Message);
    }

    private static WanModel Base(bool int8, ImageInput image)
    {
        WanModel floats = SmallWorld.Transformer(int8 ? SmallWorld.Sparse : null, trained: true, image: image);
        return int8 ? SmallLora.Int8(floats) : floats;
    }

    private ICheckpoint Saved(WanModel model)
    {
        string path = _folder.File("base.safetensors");
        SafetensorsWriter.Write(path, [.. model.state_dict().Select(s => TensorSource.From(s.Key, s.Value))],
            WanCheckpoint.Metadata(model.Config));
        return Checkpoint.OpenModel(path);
    }

    private TeacherTraining Train(WanModel model, int iterations, ImageInput image)
    {
        var options = new TrainingOptions
        {
            Iterations = iterations, BatchSize = 2, Optimizer = new AdamWOptions { LearningRate = 1e-2 }, SaveEvery = 0,
        };
        var task = new TeacherTraining(model, SmallWorld.Latents(image), new ShiftedUniformTimes(3), 0.1, options);
        new Trainer(task, options, _folder.File("run")).Run(null, TestContext.Current.CancellationToken);
        return task;
    }

    private static torch.Tensor Predict(WanModel model, ImageInput image)
    {
        using var noGrad = torch.no_grad();
        return Velocity(model, image);
    }

    private static torch.Tensor Loss(WanModel model, ImageInput image) => Velocity(model, image).square().sum();

    private static torch.Tensor Velocity(WanModel model, ImageInput image) => new WanNetwork(model).Predict(
        new PhiloxNoise(1).Normal(2, 16, 2, 8, 8), torch.tensor([300f, 900f]),
        SmallWorld.Latents(image).Draw(2, new PhiloxNoise(2)).Condition with { Text = new PhiloxNoise(2).Normal(2, 3, 8) });
}

internal static class SmallLora
{
    public static void Add(WanModel model, int rank = 4, double? alpha = null) =>
        LoraFactors.Add(model, new LoraTrainingOptions { Rank = rank, Alpha = alpha }, new PhiloxNoise(21));

    /// <summary>The same model with sparse-linear attention and int8 weights.</summary>
    public static WanModel Int8(WanModel model)
    {
        using var tensors = new MemoryCheckpoint([.. model.state_dict().Select(s => (s.Key, s.Value.detach().alias()))])
        {
            Metadata = WanCheckpoint.Metadata(model.Config),
        };
        return WanCheckpoint.Load(tensors, SmallWorld.Sparse, WeightFormat.Int8, Placement.Cpu);
    }

    /// <summary>Factors that add something, B included.</summary>
    public static void Randomize(WanModel model)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var random = new PhiloxNoise(31);
        foreach (LowRankFactors factors in LoraFactors.Of(model).Values)
            factors.Up.Weight.copy_(random.Normal(factors.Up.Weight.shape) * 0.05);
    }
}
