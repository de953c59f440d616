using System.Globalization;
using TorchSharp;
using TurboDiffusion.Operators.Attention;
using TurboDiffusion.Runtime;
using TurboDiffusion.Runtime.Cuda;
using TurboDiffusion.Tests.Operators;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests.Golden;

/// <summary>
/// The golden cases of sparse-linear attention in the kernels: no further from float32 over the same blocks than what the case has of the
/// official code, whose kernel wrote some of them.
/// </summary>
[Trait("Category", "Gpu")]
public class AttentionGpuTests
{
    public static TheoryData<string, KernelForm> Cases
    {
        get
        {
            var data = new TheoryData<string, KernelForm>();
            foreach (string path in GoldenFixtures.Cases("op-*sla*"))
                foreach (KernelForm form in new[] { KernelForm.Portable, KernelForm.Sm90 }) data.Add(path, form);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_kernel_is_as_near_to_float32_as_the_official_one(string path, KernelForm form)
    {
        Device device = form == KernelForm.Sm90 ? KernelConformance.RequireSm90() : KernelConformance.RequireGpu();
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        using var golden = new GoldenCase(path);
        AttentionOptions options = AttentionGoldens.Options(golden);
        Tensor q = Narrow(golden.Input("q"), device), k = Narrow(golden.Input("k"), device), v = Narrow(golden.Input("v"), device);
        KernelChoice choice = AttentionKernels.Choose(
            new KernelChoice(form, "asked for"), AttentionKernels.Problem.Of(q.flatten(2), q.shape[3], options));
        Assert.SkipUnless(choice.Form == form, $"{Path.GetFileName(path)}: {choice}");

        Tensor weight = golden.Input("proj_l.weight").to(device), bias = golden.Input("proj_l.bias").to(device);
        Tensor kept = BlockSelection.Select(q, k, options);
        Tensor truth = BlockSparseAttention.Attend(Wide(q), Wide(k), Wide(v), kept, options)
            + nn.functional.linear(LinearAttention.Attend(Wide(q), Wide(k), Wide(v)), weight, bias);
        double official = Comparison.RelativeL2(truth, golden.Output("o").to(device), 1, "official");
        Tensor o = AttentionKernels.Attend(q.flatten(2), k.flatten(2), v.flatten(2), null, options, (weight, bias), form);
        // A case that no kernel wrote is nearer to float32 than bfloat16 and these formats allow.
        double allowed = options.Kind == AttentionKind.SageSla ? 0.036 : 4e-3;
        double error = Comparison.RelativeL2(truth, o, Math.Max(official, allowed), Path.GetFileName(path));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{Path.GetFileName(path)}, {form}: error against float32 {error:G3}, of the case's output {official:G3}"));
    }

    private static Tensor Narrow(Tensor x, Device device) => x.to(device).to_type(ScalarType.BFloat16);

    private static Tensor Wide(Tensor x) => x.to_type(ScalarType.Float32);
}
