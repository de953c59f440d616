using System.IO.Compression;
using System.Text.Json;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Keys;
using TurboDiffusion.Tests.Golden;

namespace TurboDiffusion.Tests.Checkpoints;

/// <summary>The names, types and shapes of the published architectures, as checkpoints without data.</summary>
public static class Manifests
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Checkpoints", "Data", "manifests");

    public static readonly string[] Transformers =
        [.. from preset in (string[])
            ["Wan2.1-T2V-1.3B", "Wan2.1-T2V-14B", "Wan2.1-I2V-14B-480P", "Wan2.1-FLF2V-14B-720P", "Wan2.2-I2V-A14B", "Wan2.2-TI2V-5B"]
            from variant in (string[])["original", "sla", "sla-quant"]
            select $"{preset}.{variant}"];

    public const string Vae = "Wan2.1_VAE", Vae22 = "Wan2.2_VAE", TextEncoder = "umt5-xxl-encoder";

    /// <summary>Wan 2.2 TI2V-5B and its VAE with the names and shapes of the published files, in the order of their modules.</summary>
    public const string Ti2v = "Wan2.2-TI2V-5B.published", DiffusersTi2v = "Wan2.2-TI2V-5B.diffusers",
        DiffusersVae22 = "Wan2.2_VAE.diffusers";

    /// <summary>The image encoder, as the official file and as transformers names it.</summary>
    public const string ImageEncoder = "clip-vit-h-14.original", TransformersImageEncoder = "clip-vit-h-14.transformers";

    /// <summary>The names of the VAE that a layout is for.</summary>
    public static HeaderCheckpoint VaeOf(KeyRuleSet layout) =>
        Load(layout == VaeLayouts.Wan22 || layout == VaeLayouts.Wan22Diffusers ? Vae22 : Vae);

    public static HeaderCheckpoint Load(string name)
    {
        using Stream stream = GoldenFixtures.Find("manifests", name + ".json") is { } given ? File.OpenRead(given)
            : new GZipStream(File.OpenRead(Path.Combine(Folder, name + ".json.gz")), CompressionMode.Decompress);
        using JsonDocument json = JsonDocument.Parse(stream);
        return new HeaderCheckpoint(from tensor in json.RootElement.GetProperty("tensors").EnumerateObject()
                                    select new TensorInfo(tensor.Name,
                                        Enum.Parse<torch.ScalarType>(tensor.Value[0].GetString()!, ignoreCase: true),
                                        [.. tensor.Value[1].EnumerateArray().Select(d => d.GetInt64())]));
    }
}

/// <summary>A checkpoint that has a header and no data.</summary>
public sealed class HeaderCheckpoint(IEnumerable<TensorInfo> tensors) : ICheckpoint
{
    public string Path => "header";

    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; } = tensors.ToDictionary(t => t.Name);

    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    public torch.Tensor Read(string name) => throw new InvalidOperationException("Detection must not read data.");

    /// <summary>Name, type and shape of every tensor, sorted.</summary>
    public static IEnumerable<string> Describe(ICheckpoint checkpoint) =>
        checkpoint.Tensors.Select(t => $"{t.Key} {t.Value.Name} {t.Value}").Order(StringComparer.Ordinal);

    public void Dispose()
    {
    }
}
