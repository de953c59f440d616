using System.Reflection;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace TurboDiffusion.Tests;

public class LibTorchTests
{
    [Fact]
    public void The_native_library_loads_and_multiplies()
    {
        using var scope = NewDisposeScope();
        Assert.Equal(18f, ones(2, 3).matmul(full(3, 3, 1f)).sum().item<float>());
    }

    [Fact]
    public void The_build_keeps_the_arguments_of_TorchSharp_alive_until_its_methods_return()
    {
        MethodInfo[] methods = typeof(Tensor).GetMethods(
            BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly);
        Assert.True(methods.Length > 500, $"{methods.Length} methods");
        Assert.All(methods, m => Assert.True(m.MethodImplementationFlags.HasFlag(MethodImplAttributes.NoOptimization), m.ToString()));
    }
}
