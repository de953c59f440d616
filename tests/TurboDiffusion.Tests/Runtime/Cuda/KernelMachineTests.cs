using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Runtime.Cuda;
using Xunit;

namespace TurboDiffusion.Tests.Runtime.Cuda;

public class KernelMachineTests
{
    private static readonly KernelMachine Able = new(SwitchedOn: true, Driver: 13000, Gpu: 90, Compiler: 13000, CompilerGpus: [80, 86, 89, 90, 100, 120]);

    [Fact]
    public void A_Hopper_GPU_with_driver_and_compiler_takes_the_kernels()
    {
        foreach (KernelOperator kernel in Enum.GetValues<KernelOperator>())
        {
            KernelPath path = Able.Choose(kernel);
            Assert.True(path.IsKernel);
            Assert.Equal((kernel, KernelReason.Chosen), (path.Operator, path.Reason));
            Assert.Contains("sm_90a", path.Explanation);
        }
    }

    public static TheoryData<string, KernelReason, string> Lacking => new()
    {
        { "off", KernelReason.SwitchedOff, "TURBODIFFUSION_KERNELS" },
        { "no driver", KernelReason.NoGpu, "GPU" },
        { "no gpu", KernelReason.NoGpu, "GPU" },
        { "turing", KernelReason.OldGpu, "sm_75" },
        { "no compiler", KernelReason.NoCompiler, "LD_LIBRARY_PATH" },
        { "new gpu", KernelReason.OldCompiler, "sm_130" },
        { "old driver", KernelReason.OldDriver, "12.8" },
    };

    [Theory]
    [MemberData(nameof(Lacking))]
    public void What_is_missing_is_the_reason_for_the_plain_form(string machine, KernelReason reason, string says)
    {
        KernelPath path = (machine switch
        {
            "off" => Able with { SwitchedOn = false },
            "no driver" => Able with { Driver = null },
            "no gpu" => Able with { Gpu = null },
            "turing" => Able with { Gpu = 75 },
            "no compiler" => Able with { Compiler = null, CompilerGpus = [] },
            "new gpu" => Able with { Gpu = 130 },
            _ => Able with { Driver = 12080 },
        }).Choose(KernelOperator.Int8Matmul);
        Assert.False(path.IsKernel);
        Assert.Equal(reason, path.Reason);
        Assert.Contains(says, path.Explanation);
    }

    [Fact]
    public void A_driver_of_the_same_major_version_is_new_enough() =>
        Assert.True((Able with { Driver = 12000, Compiler = 12080 }).Choose(KernelOperator.Int8Matmul).IsKernel);

    [Theory]
    [InlineData(null, false)]
    [InlineData("", false)]
    [InlineData("off", false)]
    [InlineData(" ON ", true)]
    public void The_switch_is_read(string? value, bool on) => Assert.Equal(on, KernelSwitch.Parse(value));

    [Fact]
    public void Another_value_of_the_switch_is_refused() =>
        Assert.Contains("'yes'", Assert.Throws<InvalidRequestException>(() => KernelSwitch.Parse("yes")).Message);
}
