using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Generation.Text;
using TurboDiffusion.Models;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Sampling;
using TurboDiffusion.Tests.Checkpoints;
using TurboDiffusion.Training.Configuration;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Loops;
using TurboDiffusion.Training.Optimization;
using TurboDiffusion.Training.Samples;
using Xunit;

namespace TurboDiffusion.Training.Tests.Samples;

public class SampleTests
{
    private const int Size = 32, Frames = 5, Gap = ContactSheet.Gap;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void Samples_are_what_the_exported_model_makes_and_change_nothing()
    {
        using var folder = new TestFolder();
        ModelFiles files = new SmallModel().Write(folder.File("model"), Token);
        TeacherConfig config = Teacher(folder, files);
        TrainingRun.Run(config, null, Token);

        Assert.Equal(["000002", "000003"], Directory.GetFiles(Path.Combine(config.Output, "samples"), "*.png")
            .Select(f => Path.GetFileNameWithoutExtension(f)).Order());
        CheckLast(folder, config, files);

        TeacherConfig without = config with { Output = folder.File("without"), Samples = null };
        TrainingRun.Run(without, null, Token);
        foreach (string file in new[] { Trainer.StateFile, TrainingRun.LossFile, TrainingRun.ModelFile })
            Assert.Equal(File.ReadAllBytes(Path.Combine(without.Output, file)), File.ReadAllBytes(Path.Combine(config.Output, file)));
        Assert.False(Directory.Exists(Path.Combine(without.Output, "samples")));
    }

    [Fact]
    public void A_text_encoder_that_is_trained_along_encodes_the_prompts()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TestFolder();
        ModelFiles files = new SmallModel().Write(folder.File("model"), Token);
        string tokenizer = folder.File("spiece.model"), data = folder.File("data.safetensors");
        SentencePieceVocabulary.Write(tokenizer, ["a", "red", "green", "circle", "square"]);
        SentencePieceTextTokenizer words = SentencePieceTextTokenizer.Open(tokenizer, 512);
        torch.Tensor Ids(string text) => torch.tensor(words.Encode(text).Ids.ToArray(), torch.ScalarType.Int64);
        CaptionedLatents.Write(data, new PhiloxNoise(3).Normal(1, 16, 2, 4, 4), Ids("a red circle").view(1, 1, 512), Ids(""));
        TeacherConfig config = Teacher(folder, files);
        config = config with
        {
            Data = data, NewTextEncoder = new UMT5Config(320, 64, 64, 96, 2, 1),
                Samples = config.Samples! with { TextEncoder = null, Tokenizer = tokenizer },
        };
        TrainingRun.Run(config, null, Token);
        CheckLast(folder, config, files
            with { Tokenizer = tokenizer, TextEncoder = Path.Combine(config.Output, TrainingRun.TextEncoderFile) });
    }

    [Fact]
    public void A_vae_shows_clips_above_their_reconstructions()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TestFolder();
        string data = folder.File("clips");
        ClipFolder.Add(data, "a", torch.full([3, 5, 16, 16], 200, torch.ScalarType.Byte));
        var config = new VaeTrainingConfig
        {
            Output = folder.File("vae"), Data = data, Width = 8, Frames = 5, Height = 16, CropWidth = 16,
            Training = new TrainingOptions { Iterations = 1 }, Samples = new ReconstructionOptions { Clips = 2 },
        };
        TrainingRun.Run(config, null, Token);
        using torch.Tensor sheet = ImageReader.Read(Path.Combine(config.Output, "samples", "000001.png"));
        Assert.Equal([3, 4 * 16 + 3 * Gap, 5 * (16 + Gap) - Gap], sheet.shape);
        Assert.True(sheet[torch.TensorIndex.Colon, torch.TensorIndex.Slice(0, 16),
            torch.TensorIndex.Slice(0, 16)].eq(200).all().item<bool>());
        Assert.False(sheet[torch.TensorIndex.Colon, torch.TensorIndex.Slice(18, 34),
            torch.TensorIndex.Slice(0, 16)].eq(200).all().item<bool>());
    }

    [Fact]
    public void A_failed_or_cancelled_look_saves_the_state()
    {
        using var folder = new TestFolder();
        ModelFiles files = new SmallModel().Write(folder.File("model"), Token);
        TeacherConfig config = Teacher(folder, files);
        using var cancellation = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => TrainingRun.Run(config, new CancelAt(2, cancellation), cancellation.Token));
        using (var state = SafetensorsFile.Open(Path.Combine(config.Output, Trainer.StateFile)))
            Assert.Equal("2", state.Metadata["iteration"]);
        TrainingRun.Run(config, null, Token);
        Assert.True(File.Exists(Path.Combine(config.Output, "samples", "000003.png")));
    }

    [Fact]
    public void Samples_that_cannot_be_made_are_refused_before_training()
    {
        using var folder = new TestFolder();
        ModelFiles files = new SmallModel().Write(folder.File("model"), Token);
        TeacherConfig config = Teacher(folder, files);
        Refused(s => s with { Every = 0 });
        Refused(s => s with { Prompts = [] });
        Refused(s => s with { Width = 40 });
        Refused(s => s with { Frames = 6 });
        Refused(s => s with { TextEncoder = null });
        Assert.Throws<CheckpointException>(() =>
            TrainingRun.Run(config with { Samples = config.Samples! with { Vae = folder.File("none") } }, null, Token));
        Assert.Throws<CheckpointException>(() =>
            TrainingRun.Run(config with { Samples = config.Samples! with { Vae = files.Transformer } }, null, Token));
        Assert.False(File.Exists(Path.Combine(config.Output, TrainingRun.LossFile)));

        void Refused(Func<SampleOptions, SampleOptions> change) =>
            Assert.Throws<InvalidRequestException>(() => TrainingRun.Run(config with { Samples = change(config.Samples!) }, null, Token));
    }

    private static TeacherConfig Teacher(TestFolder folder, ModelFiles files)
    {
        using var scope = torch.NewDisposeScope();
        string data = folder.File("data");
        var random = new PhiloxNoise(3);
        for (int i = 0; i < 2; i++) LatentFolder.Add(data, $"{i}", random.Normal(16, 2, 4, 4), random.Normal(3, 64));
        LatentFolder.SetNegative(data, torch.zeros(3, 64));
        return new TeacherConfig
        {
            Output = folder.File("run"), Data = data, Model = new WanConfig(64, 96, 2, 1, textDim: 64, freqDim: 16),
            Training = new TrainingOptions { Iterations = 3, Optimizer = new AdamWOptions { LearningRate = 0.01 } },
            Samples = new SampleOptions
            {
                Every = 2, Prompts = ["a red circle", "a green square"], NegativePrompt = "blurry", Vae = files.Vae,
                    TextEncoder = files.TextEncoder, Tokenizer = files.Tokenizer,
                Width = Size, Height = Size, Frames = Frames, FramesPerSecond = 8, Steps = 2, Guidance = 3, Seed = 9,
            },
        };
    }

    /// <summary>The samples at the end are what the exported model makes of the same prompts and seeds.</summary>
    private static void CheckLast(TestFolder folder, TeacherConfig config, ModelFiles files)
    {
        using torch.Tensor sheet = ImageReader.Read(Path.Combine(config.Output, "samples", "000003.png"));
        Assert.Equal([3, 2 * Size + Gap, Frames * (Size + Gap) - Gap], sheet.shape);
        for (int i = 0; i < 2; i++)
        {
            string frames = Generate(folder,
                files with { Transformer = Path.Combine(config.Output, TrainingRun.ModelFile), Defaults = null }, config.Samples!, i);
            for (int t = 0; t < Frames; t++)
            {
                using torch.Tensor expected = ImageReader.Read(Path.Combine(frames, $"frame_{t:00000}.png"));
                using torch.Tensor found = sheet.narrow(1, i * (Size + Gap), Size).narrow(2, t * (Size + Gap), Size);
                Assert.Equal(expected.bytes.ToArray(), found.contiguous().bytes.ToArray());
            }
        }
    }

    private static string Generate(TestFolder folder, ModelFiles files, SampleOptions samples, int i)
    {
        string frames = folder.File($"frames{i}/");
        using VideoModel model = VideoModel.Open(files, new VideoModelOptions { Device = "cpu" });
        model.Generate(new VideoRequest
        {
            Prompt = samples.Prompts[i], NegativePrompt = samples.NegativePrompt, Size = new VideoSize(Size, Size), Frames = Frames,
                Sampler = SamplerKind.UniPc,
            Steps = samples.Steps, GuidanceScale = samples.Guidance, Shift = samples.Shift, Seed = samples.Seed + (ulong)i,
            OutputPath = frames,
        }, cancellationToken: Token);
        return frames;
    }

    private sealed class CancelAt(int iteration, CancellationTokenSource cancellation) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (value.Iteration == iteration) cancellation.Cancel();
        }
    }
}
