using TorchSharp;
using TurboDiffusion.Runtime.Cuda;
using Xunit;

namespace TurboDiffusion.Tests.Runtime.Cuda;

public class KernelMachineTests
{
    private static readonly KernelMachine Able = new(Driver: 13000, Gpu: 90, Compiler: 13000, CompilerGpus: [80, 86, 89, 90, 100, 120]);

    [Theory]
    [InlineData(90, KernelForm.Sm90, "sm_90a")]
    [InlineData(80, KernelForm.Portable, "sm_80")]
    [InlineData(120, KernelForm.Portable, "sm_120")]
    public void A_GPU_with_driver_and_compiler_takes_the_kernels(int gpu, KernelForm form, string says)
    {
        KernelChoice choice = (Able with { Gpu = gpu }).Choose();
        Assert.Equal(form, choice.Form);
        Assert.Contains(says, choice.ToString());
    }

    [Theory]
    [InlineData("no driver", "GPU")]
    [InlineData("no gpu", "GPU")]
    [InlineData("turing", "sm_75")]
    [InlineData("no compiler", "LD_LIBRARY_PATH")]
    [InlineData("new gpu", "sm_130")]
    [InlineData("old driver", "12.8")]
    public void What_is_missing_is_the_reason_for_the_plain_form(string machine, string says)
    {
        KernelChoice choice = (machine switch
        {
            "no driver" => Able with { Driver = null },
            "no gpu" => Able with { Gpu = null },
            "turing" => Able with { Gpu = 75 },
            "no compiler" => Able with { Compiler = null, CompilerGpus = [] },
            "new gpu" => Able with { Gpu = 130 },
            _ => Able with { Driver = 12080 },
        }).Choose();
        Assert.Equal(KernelForm.Plain, choice.Form);
        Assert.Contains(says, choice.Reason);
    }

    [Fact]
    public void A_driver_of_the_same_major_version_is_new_enough() =>
        Assert.True((Able with { Driver = 12000, Compiler = 12080 }).Choose().IsKernel);

    [Fact]
    public void Tensors_on_the_CPU_take_the_plain_form()
    {
        using torch.Tensor x = torch.zeros(1);
        Assert.All(Enum.GetValues<KernelOperator>(), kernel => Assert.Equal(KernelForm.Plain, KernelMachine.Offer(kernel, x).Form));
    }

    [Fact]
    public void A_choice_falls_to_the_form_that_does_the_problem_and_says_why()
    {
        var offered = new KernelChoice(KernelForm.Sm90, "offered");
        Assert.Equal(offered, offered.Require(true, "no").RequireForSm90(true, "no"));
        Assert.Equal(new(KernelForm.Portable, "too wide"), offered.RequireForSm90(false, "too wide"));
        Assert.Equal(new(KernelForm.Plain, "odd"), offered.RequireForSm90(false, "too wide").Require(false, "odd").Require(false, "later"));
        Assert.Equal(new(KernelForm.Portable, "first"), new KernelChoice(KernelForm.Portable, "first").RequireForSm90(false, "not asked"));
    }

    [Theory]
    [InlineData(null, true)]
    [InlineData("", true)]
    [InlineData("off", false)]
    [InlineData(" ON ", true)]
    public void The_switch_is_read(string? value, bool on) => Assert.Equal(on, KernelSwitch.Parse(value));

    [Fact]
    public void Another_value_of_the_switch_is_refused() =>
        Assert.Contains("'yes'", Assert.Throws<InvalidRequestException>(() => KernelSwitch.Parse("yes")).Message);
}
