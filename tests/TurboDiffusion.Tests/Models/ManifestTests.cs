using TurboDiffusion.Checkpoints;
using TurboDiffusion.Checkpoints.Keys;
using TurboDiffusion.Models;
using TurboDiffusion.Models.Clip;
using TurboDiffusion.Models.UMT5;
using TurboDiffusion.Models.Vae;
using TurboDiffusion.Models.Wan;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime;
using TurboDiffusion.Tests.Checkpoints;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Models;

/// <summary>Every preset and variant on the meta device against the published names, types and shapes, both ways.</summary>
public class ManifestTests
{
    public static TheoryData<string> Transformers => [.. Manifests.Transformers];

    [Theory]
    [MemberData(nameof(Transformers))]
    public void The_transformer_has_the_published_tensors(string manifest)
    {
        int dot = manifest.LastIndexOf('.');
        string variant = manifest[(dot + 1)..];
        using var model = new WanModel(ModelSpec.Find(manifest[..dot]).Transformer, variant == "original"
            ? AttentionOptions.Dense
            : AttentionOptions.Sla(),
            variant == "sla-quant" ? WeightFormat.Int8 : WeightFormat.Float, Placement.Meta);
        Check(manifest, model);
    }

    [Fact]
    public void The_VAEs_have_the_published_tensors()
    {
        foreach ((string manifest, VaeConfig config) in
                 ((string, VaeConfig)[])[(Manifests.Vae, VaeConfig.Wan21), (Manifests.Vae22, VaeConfig.Wan22)])
        {
            using var vae = new WanVae(config, Placement.Meta);
            Check(manifest, vae);
        }
    }

    /// <summary>
    /// The files of Wan 2.2 TI2V-5B: float32 as published and in diffusers' folders, float16 as repackaged for ComfyUI, there without
    /// a prefix or in a whole checkpoint behind one.
    /// </summary>
    [Theory]
    [InlineData(Manifests.Ti2v, "", ScalarType.Float32, "original Wan", ModelKind.Transformer)]
    [InlineData(Manifests.Ti2v, "", ScalarType.Float16, "original Wan", ModelKind.Transformer)]
    [InlineData(Manifests.Ti2v, "model.diffusion_model.", ScalarType.Float16, "ComfyUI", ModelKind.Transformer)]
    [InlineData(Manifests.DiffusersTi2v, "", ScalarType.Float32, "diffusers", ModelKind.Transformer)]
    [InlineData(Manifests.Vae22, "", ScalarType.Float32, "original Wan 2.2 VAE", ModelKind.Vae)]
    [InlineData(Manifests.Vae22, "", ScalarType.Float16, "original Wan 2.2 VAE", ModelKind.Vae)]
    [InlineData(Manifests.DiffusersVae22, "", ScalarType.Float32, "diffusers AutoencoderKLWan of Wan 2.2", ModelKind.Vae)]
    public void Every_file_of_the_model_of_5_billion_is_known(
        string manifest, string prefix, ScalarType dtype, string layout, ModelKind kind)
    {
        var file = new HeaderCheckpoint(Manifests.Load(manifest).Tensors.Values
            .Select(t => new TensorInfo(prefix + t.Name, dtype, t.Shape)));
        CheckpointReport report = CheckpointInspector.Inspect(file);
        Assert.Empty(report.Problems);
        Assert.Equal((kind, layout), (report.Layout!.Kind, report.Layout.Rules.Name));
        Assert.Equal(kind == ModelKind.Vae ? CheckpointInspector.Vae22Preset : ModelSpec.TI2V5B.Name, report.Preset);
        ICheckpoint view = report.Layout.Apply(file);
        Assert.All(view.Tensors.Values, t => Assert.Equal(dtype, t.Dtype));
        string[] native = [.. Manifests.Load(kind == ModelKind.Vae ? Manifests.Vae22 : "Wan2.2-TI2V-5B.original").Tensors.Values
            .Select(t => $"{t.Name} [{string.Join(", ", t.Shape)}]").Order()];
        Assert.Equal(native, view.Tensors.Values.Select(t => $"{t.Name} [{string.Join(", ", t.Shape)}]").Order());
    }

    /// <summary>
    /// The lists are those of the published files: names, types and shapes make a header, and with it the size of the file to the byte.
    /// </summary>
    /// <remarks>
    /// Wan-AI/Wan2.2-TI2V-5B at 921dbaf (three shards of at most 10 GB, their index); Comfy-Org/Wan_2.2_ComfyUI_Repackaged,
    /// <c>wan2.2_ti2v_5B_fp16.safetensors</c> and <c>wan2.2_vae.safetensors</c>; of <c>Wan2.2_VAE.pth</c> the number of floats is known.
    /// </remarks>
    [Fact]
    public void The_files_of_the_model_of_5_billion_have_the_published_sizes()
    {
        TensorInfo[] transformer = [.. Manifests.Load(Manifests.Ti2v).Tensors.Values],
            vae = [.. Manifests.Load(Manifests.Vae22).Tensors.Values];
        var shards = new List<List<TensorInfo>> { new() };
        foreach (TensorInfo tensor in transformer)
        {
            if (shards[^1].Sum(t => t.ByteCount) + tensor.ByteCount > 10_000_000_000) shards.Add([]);
            shards[^1].Add(tensor);
        }
        Assert.Equal([9_825_014_472, 9_995_661_736, 178_558_176],
            shards.Select(s => FileSize(s, "\"__metadata__\":{\"format\":\"pt\"},")));
        Assert.Equal(9_999_658_848, FileSize(transformer.Select(Half)));
        Assert.Equal(1_409_400_960, FileSize(vae.Select(Half)));
        static TensorInfo Half(TensorInfo tensor) => tensor with { Dtype = ScalarType.Float16 };

        Assert.Equal(704_688_668, vae.Sum(t => t.ElementCount));
        string index = string.Concat(transformer.Select(
            t => $"\n    \"{t.Name}\": \"diffusion_pytorch_model-00001-of-00003.safetensors\","));
        Assert.Equal(72_865, $$"""
            {
              "metadata": {
                "total_size": {{transformer.Sum(t => t.ByteCount)}}
              },
              "weight_map": {{{index[..^1]}}
              }
            }

            """.Length);
    }

    /// <summary>
    /// ComfyUI's scaled files: every matrix in 8-bit floats with a scale, of the transformer a scale of its input too, and an empty marker.
    /// Sizes again to the byte.
    /// </summary>
    /// <remarks>
    /// Comfy-Org/Wan_2.2_ComfyUI_Repackaged: <c>wan2.2_i2v_high_noise_14B_fp8_scaled.safetensors</c>,
    /// <c>umt5_xxl_fp8_e4m3fn_scaled.safetensors</c>, which has the tokenizer's model in it.
    /// </remarks>
    [Fact]
    public void The_scaled_files_of_ComfyUI_have_the_published_sizes_and_are_known()
    {
        var transformer = new HeaderCheckpoint(Scaled(WanLayouts.Original.Inverse.Apply(Manifests.Load("Wan2.2-I2V-A14B.original")),
            t => t.Shape.Count == 2, withInputs: true));
        Assert.Equal(14_294_742_832, FileSize(transformer.Tensors.Values));
        CheckpointReport report = CheckpointInspector.Inspect(transformer);
        Assert.Equal((0, ModelSpec.I2VA14B.Name), (report.Problems.Count, report.Preset));

        var text = new HeaderCheckpoint([.. Scaled(UMT5Layouts.Transformers.Inverse.Apply(Manifests.Load(Manifests.TextEncoder)),
            t => t.Shape.Count == 2 && t.Name != "shared.weight" && !t.Name.Contains("relative", StringComparison.Ordinal),
            withInputs: false), new TensorInfo("spiece_model", ScalarType.Byte, [4_548_313])]);
        Assert.Equal(6_735_906_897, FileSize(text.Tensors.Values));
        report = CheckpointInspector.Inspect(text);
        Assert.Equal((0, CheckpointInspector.TextEncoderPreset), (report.Problems.Count, report.Preset));
    }

    private static IEnumerable<TensorInfo> Scaled(ICheckpoint floats, Func<TensorInfo, bool> isScaled, bool withInputs)
    {
        foreach (TensorInfo tensor in floats.Tensors.Values)
        {
            TensorInfo half = tensor with { Dtype = ScalarType.Float16 };
            if (!tensor.Name.EndsWith(".weight", StringComparison.Ordinal) || !isScaled(tensor))
            {
                yield return half;
                continue;
            }
            yield return half with { Dtype = ScalarType.BFloat16, Encoding = "F8_E4M3", StoredBytes = tensor.ElementCount };
            string layer = tensor.Name[..^"weight".Length];
            yield return new TensorInfo(layer + "scale_weight", ScalarType.Float32, []);
            if (withInputs) yield return new TensorInfo(layer + "scale_input", ScalarType.Float32, []);
        }
        yield return new TensorInfo("scaled_fp8", ScalarType.BFloat16, [0]) { Encoding = "F8_E4M3", StoredBytes = 0 };
    }

    // The length of the header, a text of a multiple of eight bytes with larger types and then names in order; the data.
    private static long FileSize(IEnumerable<TensorInfo> tensors, string metadata = "")
    {
        static string Type(TensorInfo t) => t.Encoding ?? SafetensorsDtype.Format(t.Dtype);

        long end = 0;
        IEnumerable<TensorInfo> ordered = tensors.OrderBy(t => Array.IndexOf(["F32", "F16", "F8_E4M3", "U8"], Type(t)))
            .ThenBy(t => t.Name, StringComparer.Ordinal);
        string header = string.Join(',', ordered.Select(t =>
        {
            long begin = end;
            end += t.StoredByteCount;
            return $$"""
                "{{t.Name}}":{"dtype":"{{Type(t)}}","shape":[{{string.Join(',', t.Shape)}}],"data_offsets":[{{begin}},{{end}}]}
                """;
        }));
        return 8 + ($"{{{metadata}{header}}}".Length + 7) / 8 * 8 + end;
    }

    [Fact]
    public void The_text_encoder_has_the_published_tensors()
    {
        using var encoder = new UMT5Encoder(UMT5Config.Xxl, Placement.Meta);
        Check(Manifests.TextEncoder, encoder);
    }

    [Theory]
    [InlineData(Manifests.ImageEncoder)]
    [InlineData(Manifests.TransformersImageEncoder)]
    public void The_image_encoder_has_the_published_tensors_in_either_layout(string manifest)
    {
        HeaderCheckpoint file = Manifests.Load(manifest);
        using var encoder = new ClipVisionEncoder(ClipConfig.ViTH14, Placement.Meta);
        CheckpointLayout layout = CheckpointLayout.Detect(file);
        Assert.Equal(ModelKind.ImageEncoder, layout.Kind);
        StrictLoader.Check(encoder, layout.Apply(file));
    }

    private static void Check(string manifest, nn.Module module)
    {
        var expected = Manifests.Load(manifest).Tensors.Values.Select(t => $"{t.Name} {t}").ToHashSet();
        var actual = module.state_dict().Select(t => $"{t.Key} {t.Value.dtype} [{string.Join(", ", t.Value.shape)}]").ToHashSet();
        Assert.NotEmpty(expected);
        Assert.Empty(expected.Except(actual));
        Assert.Empty(actual.Except(expected));
    }
}
