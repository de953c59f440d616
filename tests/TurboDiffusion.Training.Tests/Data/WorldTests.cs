using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Generation.Text;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using TurboDiffusion.Sampling;
using TurboDiffusion.ShapeWorld;
using TurboDiffusion.Tests;
using TurboDiffusion.Tests.Checkpoints;
using TurboDiffusion.Training.Configuration;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Loops;
using TurboDiffusion.Training.Losses;
using TurboDiffusion.Training.Networks;
using Xunit;

namespace TurboDiffusion.Training.Tests.Data;

public class WorldTests
{
    private static readonly WorldOptions Small = new() { Clips = 5, Seed = 40, Width = 64, Height = 48, Frames = 5 };

    [Fact]
    public void Clips_are_the_rendered_scenes()
    {
        using var scope = torch.NewDisposeScope();
        using WorldClips clips = WorldClips.Render(Small, 5, 48, 64, torch.CPU);
        torch.Tensor drawn = clips.Draw(12, new PhiloxNoise(1)).Videos;
        Assert.Equal([12, 3, 5, 48, 64], drawn.shape);
        byte[][] rendered = [.. Enumerable.Range(0, 5).Select(i => SceneRenderer.Render(SceneSampler.Training(40 + i), 64, 48, 5))];
        foreach (int i in Enumerable.Range(0, 12))
        {
            byte[] bytes =
                [.. ((drawn[i] + 1) * 127.5).round().permute(1, 2, 3, 0).contiguous().to_type(torch.ScalarType.Byte).data<byte>()];
            Assert.Contains(rendered, r => r.SequenceEqual(bytes));
        }
    }

    [Fact]
    public void Crops_hold_an_object_and_say_where_the_objects_are()
    {
        using var scope = torch.NewDisposeScope();
        WorldOptions world = Small with { Clips = 8, Width = 96, Height = 64, Frames = 9 };
        using WorldClips clips = WorldClips.Render(world, 5, 32, 40, torch.CPU);
        ClipBatch batch = clips.Draw(24, new PhiloxNoise(3));
        Assert.Equal([24, 1, 5, 32, 40], batch.Objects!.shape);
        // The middle frame's centre of one object is in every crop.
        Assert.True(batch.Objects.select(2, 2).sum([1, 2, 3]).min().item<float>() > 0);
        using WorldClips whole = WorldClips.Render(Small with { Clips = 1, Width = 96, Height = 64, Frames = 9 }, 9, 64, 96, torch.CPU);
        ClipBatch clip = whole.Draw(1, new PhiloxNoise(1));
        Scene scene = SceneSampler.Training(40);
        Assert.NotEqual(Motion.DayToNight, scene.Motion);
        // Beside the objects, nothing changes from frame to frame.
        torch.Tensor beside = 1 - torch.maximum(clip.Objects!.narrow(2, 1, 8), clip.Objects.narrow(2, 0, 8));
        Assert.Equal(0, (clip.Videos.diff(1, 2).abs() * beside).max().item<float>());
        ObjectPose pose = Motions.Pose(scene, 0, 4, 9, 96, 64);
        Assert.Equal(1, clip.Objects[0, 0, 4, (long)pose.Y, (long)pose.X].item<float>());
    }

    [Fact]
    public void Encoded_clips_come_with_captions_of_their_own_scene()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TestFolder();
        (string file, SentencePieceTextTokenizer tokenizer) = Encode(folder);
        using var encoder = Encoder();
        using var data = new CaptionedLatents(file, encoder, torch.CPU);
        Assert.Equal(5, data.Count);
        Assert.Equal([16, 2, 6, 8], data.LatentShape);
        LatentBatch batch = data.Draw(3, new PhiloxNoise(1));
        Assert.Equal([3, 16, 2, 6, 8], batch.Latents.shape);
        Assert.Equal([3, 40, 32], batch.Condition.Text.shape);
        Assert.Equal([3, 40, 32], batch.Negative.Text.shape);
        Assert.False(batch.Condition.Text.requires_grad);

        // The rows of the first caption are those of one of its scene's captions.
        torch.Tensor[] possible = [.. Enumerable.Range(0, 10).Select(i =>
        {
            string caption = Captions.Describe(SceneSampler.Training(40 + i / 2), i);
            if (i % 2 == 1) caption = char.ToUpperInvariant(caption[0]) + caption[1..] + ".";
            torch.Tensor ids = torch.tensor(tokenizer.Encode(caption).Ids.ToArray()).unsqueeze(0);
            return encoder.Encode(ids, ids.gt(0).to_type(torch.ScalarType.Int64));
        })];
        Assert.Contains(possible, p => (p[0] - batch.Condition.Text[0]).abs().max().item<float>() < 1e-4f);
    }

    [Fact]
    public void The_latents_are_scaled_and_the_vae_matches_them()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TestFolder();
        using var vae = new WanVae(VaeConfig.WithDim(8), Placement.Cpu);
        WeightInitialization.Initialize(vae, new PhiloxNoise(1));
        torch.Tensor video = WorldClips.Render(Small, 0, 4, default).to_type(torch.ScalarType.Float32) / 127.5 - 1;
        torch.Tensor before = vae.EncodeWhole(video), reconstruction = vae.DecodeWhole(before);
        (torch.Tensor mean, torch.Tensor deviation) = LatentStandardization.Statistics(before);
        torch.Tensor importance = LatentStandardization.Importance(vae, before, mean), scale = deviation / importance;
        LatentStandardization.Apply(vae, mean, scale);

        torch.Tensor after = vae.EncodeWhole(video), values = after.transpose(0, 1).flatten(1);
        Comparison.Elementwise(LatentStandardization.Apply(before, mean, scale), after, 1e-3, 1e-3, "latents");
        Comparison.Elementwise(reconstruction, vae.DecodeWhole(after), 1e-3, 1e-3, "reconstruction");
        Assert.InRange(values.mean([1]).abs().max().item<float>(), 0, 1e-3);
        torch.Tensor varied = deviation.gt(2e-3);
        Comparison.Elementwise(importance[varied], values.std(1)[varied], 1e-2, 1e-3, "deviations");
        Assert.InRange(importance.max().item<float>(), 1, 1);

        // A channel that the decoder ignores means nothing, one that it heeds more means more.
        torch.Tensor weight = vae.get_parameter("conv2.weight")!;
        using (torch.no_grad())
        {
            weight.select(1, 0).zero_();
            weight.select(1, 1).mul_(0.05);
        }
        torch.Tensor changed = LatentStandardization.Importance(vae, after, torch.zeros(16));
        Assert.Equal(0.01f, changed[0].item<float>(), 1e-6f);
        Assert.InRange(changed[1].item<float>() / changed[2].item<float>(), 0,
            0.5f * importance[1].item<float>() / importance[2].item<float>());
    }

    [Fact]
    public void A_data_set_of_another_tokenizer_or_kind_is_refused()
    {
        using var folder = new TestFolder();
        (string file, _) = Encode(folder);
        using var tooSmall = new UMT5Encoder(new UMT5Config(64, 32, 32, 64, 2, 1), Placement.Cpu);
        Assert.Contains("the text encoder knows 64",
            Assert.Throws<CheckpointException>(() => new CaptionedLatents(file, tooSmall, torch.CPU)).Message);
        using var encoder = Encoder();
        string other = folder.File("other.safetensors");
        TurboDiffusion.Checkpoints.SafetensorsWriter.Write(other, [TurboDiffusion.Checkpoints.TensorSource.From("video", torch.zeros(3))]);
        Assert.Contains("no tensor 'latents'",
            Assert.Throws<CheckpointException>(() => new CaptionedLatents(other, encoder, torch.CPU)).Message);
        Assert.Throws<InvalidRequestException>(() => WorldClips.Render(Small with { Width = 60 }, 5, 48, 60, torch.CPU));
    }

    [Fact]
    public void The_text_encoder_learns_with_the_teacher_and_a_resume_is_exact()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TestFolder();
        (string file, _) = Encode(folder);
        float[] Train(string name, params int[] stops)
        {
            float[] weights = [];
            foreach (int stop in stops)
            {
                using UMT5Encoder encoder = Encoder();
                using var data = new CaptionedLatents(file, encoder, torch.CPU);
                using var model = new WanModel(new WanConfig(32, 64, 2, 1, textDim: 32, freqDim: 32), AttentionOptions.Dense,
                    WeightFormat.Float, Placement.Cpu);
                WeightInitialization.Initialize(model, new PhiloxNoise(3));
                var options = new TrainingOptions { Iterations = stop, BatchSize = 2, Seed = 9, Optimizer = new() { LearningRate = 1e-2 } };
                using var task = new TeacherTraining(model, data, new ShiftedUniformTimes(3), 0.1, options, encoder);
                new Trainer(task, options, folder.File(name)).Run();
                weights = [.. task.TextEncoder!.Parameters.Values.First().flatten().data<float>()];
            }
            return weights;
        }

        using UMT5Encoder untrained = Encoder();
        float[] whole = Train("whole", 4);
        Assert.NotEqual(untrained.parameters().First().flatten().data<float>().ToArray(), whole);
        Assert.Equal(whole, Train("resumed", 2, 4));
    }

    [Fact]
    public void A_decoder_is_trained_alone()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TestFolder();
        using var vae = new WanVae(VaeConfig.WithDim(8), Placement.Cpu);
        WeightInitialization.Initialize(vae, new PhiloxNoise(1));
        Dictionary<string, torch.Tensor> before = vae.state_dict().ToDictionary(p => p.Key, p => p.Value.clone());
        using WorldClips clips = WorldClips.Render(Small, 5, 32, 32, torch.CPU);
        var options = new TrainingOptions { Iterations = 2, Seed = 1 };
        using var task = new VaeTraining(vae, clips, new VaeLossOptions(), options, decoderOnly: true);
        new Trainer(task, options, folder.Path).Run();
        foreach ((string name, torch.Tensor value) in vae.state_dict())
            if (!WanVae.IsOfDecoder(name)) Comparison.Exact(before[name], value, name);
        Assert.Contains(vae.state_dict(), p => !before[p.Key].allclose(p.Value));
        Assert.All(task.Model.Parameters.Keys, name => Assert.True(WanVae.IsOfDecoder(name), name));
    }

    private static UMT5Encoder Encoder()
    {
        var encoder = new UMT5Encoder(new UMT5Config(512, 32, 32, 64, 2, 1), Placement.Cpu);
        WeightInitialization.Initialize(encoder, new PhiloxNoise(2));
        return encoder;
    }

    private static (string File, SentencePieceTextTokenizer Tokenizer) Encode(TestFolder folder)
    {
        string spiece = folder.File("spiece.model"), file = folder.File("latents.safetensors");
        SentencePieceVocabulary.Write(spiece, Captions.Vocabulary);
        var tokenizer = SentencePieceTextTokenizer.Open(spiece, 40);
        using var vae = new WanVae(VaeConfig.WithDim(8), Placement.Cpu);
        WeightInitialization.Initialize(vae, new PhiloxNoise(1));
        WorldLatents.Write(file, Small, 2, vae, tokenizer, Placement.Cpu);
        return (file, tokenizer);
    }
}
