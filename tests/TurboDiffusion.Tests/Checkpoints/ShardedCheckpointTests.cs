using TorchSharp;
using TurboDiffusion.Checkpoints;
using Xunit;

namespace TurboDiffusion.Tests.Checkpoints;

public sealed class ShardedCheckpointTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public ShardedCheckpointTests()
    {
        foreach (string name in (string[])["a", "b"])
        {
            using torch.Tensor tensor = torch.full(3, name[0]);
            SafetensorsWriter.Write(_folder.File(name + ".safetensors"), [TensorSource.From(name, tensor)]);
        }
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Tensors_come_from_the_files_that_the_index_names()
    {
        _folder.Write("model.safetensors.index.json",
            """{"metadata":{"total_size":24},"weight_map":{"a":"a.safetensors","b":"b.safetensors"}}""");
        using ICheckpoint checkpoint = Checkpoint.Open(_folder.Path);
        Assert.Equal(["a", "b"], checkpoint.Tensors.Keys.Order());
        using torch.Tensor b = checkpoint.Read("b"), expected = torch.full(3, 'b');
        Comparison.Exact(expected, b, "b");
    }

    [Theory]
    [InlineData("""{"weight_map":{"a":"../a.safetensors"}}""", "not a plain file name")]
    [InlineData("""{"weight_map":{"a":"/etc/passwd"}}""", "not a plain file name")]
    [InlineData("""{"weight_map":{"a":"x\\a.safetensors"}}""", "not a plain file name")]
    [InlineData("""{"weight_map":{"a":".."}}""", "not a plain file name")]
    [InlineData("""{"weight_map":{"a":"none.safetensors"}}""", "does not exist")]
    [InlineData("""{"weight_map":{"a":"model.safetensors.index.json"}}""", "not a checkpoint of a known kind")]
    [InlineData("""{"weight_map":{"a":"a.safetensors","c":"a.safetensors"}}""", "places tensor 'c' in 'a.safetensors', where it is not")]
    [InlineData("""{"weight_map":{"a":"a.safetensors","b":"a.safetensors","c":"b.safetensors"}}""",
        "does not place tensor 'b' in 'b.safetensors'")]
    [InlineData("""{"weight_map":{"a":"a.safetensors","a":"b.safetensors"}}""", "twice")]
    [InlineData("""{"weight_map":{},"weight_map":{}}""", "two weight_maps")]
    [InlineData("""{"weight_map":["a"]}""", "not an object")]
    [InlineData("""{"weight_map":{"a":1}}""", "no file name")]
    [InlineData("""{"metadata":{}}""", "no weight_map")]
    [InlineData("""{"weight_map":""", "not valid JSON")]
    public void A_bad_index_is_refused_with_the_reason(string index, string reason)
    {
        string path = _folder.Write("model.safetensors.index.json", index);
        CheckpointException e = Assert.Throws<CheckpointException>(() => Checkpoint.Open(path));
        Assert.Contains(reason, e.Message);
        Assert.Contains(_folder.Path, e.Message);
    }

    [Fact]
    public void A_folder_with_several_candidates_is_refused()
    {
        CheckpointException e = Assert.Throws<CheckpointException>(() => Checkpoint.Open(_folder.Path));
        Assert.Contains("holds 2 files named *.safetensors: a.safetensors, b.safetensors", e.Message);
    }
}
