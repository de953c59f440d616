using TorchSharp;
using TurboDiffusion.Sampling;
using TurboDiffusion.Tests;
using TurboDiffusion.Tests.Checkpoints;
using TurboDiffusion.Training.Data;
using Xunit;

namespace TurboDiffusion.Training.Tests.Data;

public class DataTests
{
    [Fact]
    public void A_folder_of_latents_gives_back_what_was_added_to_it()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TestFolder();
        for (int i = 0; i < 3; i++)
            LatentFolder.Add(folder.Path, $"{i}", torch.full([16, 1, 2, 2], i + 1f), torch.full([4, 5], i + 1f),
                torch.full([20, 1, 2, 2], i + 1f));
        Assert.Contains("negative", Assert.Throws<InvalidRequestException>(() => new LatentFolder(folder.Path)).Message);
        LatentFolder.SetNegative(folder.Path, torch.full([4, 5], -1f));

        var data = new LatentFolder(folder.Path);
        Assert.Equal(3, data.Count);
        LatentBatch batch = data.Draw(40, new PhiloxNoise(1));
        Assert.Equal([40, 16, 1, 2, 2], batch.Latents.shape);
        Assert.Equal([40, 20, 1, 2, 2], batch.Condition.Image!.shape);
        torch.Tensor number = batch.Latents.mean([1, 2, 3, 4]);
        Assert.Equal([1f, 2f, 3f], number.data<float>().Distinct().Order());
        Comparison.Exact(number, batch.Condition.Text.mean([1, 2]), "captions belong to their videos");
        Comparison.Exact(number, batch.Condition.Image.mean([1, 2, 3, 4]), "images belong to their videos");
        Comparison.Exact(torch.full([40, 4, 5], -1f), batch.Negative.Text, "the negative prompt");
        Assert.Throws<InvalidRequestException>(() => new LatentFolder(folder.File("none")));
    }

    [Fact]
    public void A_broken_data_set_is_refused_by_name()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TestFolder();
        LatentFolder.SetNegative(folder.Path, torch.zeros(4, 5));
        LatentFolder.Add(folder.Path, "a", torch.zeros([16, 1, 2, 2]), torch.zeros(4, 5));
        LatentFolder.Add(folder.Path, "b", torch.zeros([16, 2, 2, 2]), torch.zeros(4, 5));
        Assert.Contains("one size", Assert.Throws<CheckpointException>(() => new LatentFolder(folder.Path)
            .Draw(30, new PhiloxNoise(1))).Message);
    }

    [Fact]
    public void Clips_are_crops_of_the_videos_in_minus_one_to_one()
    {
        using var scope = torch.NewDisposeScope();
        // Every pixel knows its frame, row and column.
        torch.Tensor t = torch.arange(6).view(6, 1, 1), y = torch.arange(5).view(1, 5, 1), x = torch.arange(4).view(1, 1, 4);
        torch.Tensor video = torch.stack([t.expand(6, 5, 4), y.expand(6, 5, 4), x.expand(6, 5, 4)]).unsqueeze(0).to(torch.ScalarType.Byte);
        torch.Tensor clips = (new MemoryClips(video, 5, 2, 3).Draw(200, new PhiloxNoise(2)).Videos + 1) * 127.5;
        Assert.Equal([200, 3, 5, 2, 3], clips.shape);
        torch.Tensor first = clips[torch.TensorIndex.Colon, torch.TensorIndex.Colon, 0, 0, 0].round();
        Assert.Equal([0f, 1f], first[torch.TensorIndex.Colon, 0].data<float>().Distinct().Order());
        Assert.Equal([0f, 1f, 2f, 3f], first[torch.TensorIndex.Colon, 1].data<float>().Distinct().Order());
        Assert.Equal([0f, 1f], first[torch.TensorIndex.Colon, 2].data<float>().Distinct().Order());
        Comparison.Elementwise(first + torch.tensor([4f, 1f, 2f]), clips[torch.TensorIndex.Colon, torch.TensorIndex.Colon, 4, 1, 2], 0,
            1e-3, "the far corner");
        Assert.Throws<InvalidRequestException>(() => new MemoryClips(video, 5, 6, 3));
    }
}
