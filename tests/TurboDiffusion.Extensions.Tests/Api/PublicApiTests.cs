using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using PublicApiGenerator;
using TurboDiffusion.Extensions.AI;
using Xunit;

namespace TurboDiffusion.Extensions.Tests.Api;

/// <summary>
/// The public API of each package is what its approved file says. After a wanted change, run with
/// <c>TURBODIFFUSION_APPROVE_API=1</c> and commit the changed files.
/// </summary>
public sealed class PublicApiTests
{
    [Theory]
    [InlineData("TurboDiffusion")]
    [InlineData("TurboDiffusion.Generation")]
    [InlineData("TurboDiffusion.Training")]
    [InlineData("TurboDiffusion.ShapeWorld")]
    [InlineData("TurboDiffusion.Evaluation")]
    [InlineData("TurboDiffusion.Abstractions")]
    [InlineData("TurboDiffusion.Extensions.AI")]
    [InlineData("TurboDiffusion.SemanticKernel")]
    [InlineData("TurboDiffusion.ML")]
    [InlineData("TurboDiffusion.AspNetCore")]
    [InlineData("TurboDiffusion.AspNetCore.S3")]
    [InlineData("TurboDiffusion.Orleans")]
    [InlineData("TurboDiffusion.Mcp")]
    [InlineData("TurboDiffusion.Extensions.AI.OpenAI")]
    public void The_public_API_is_the_approved_one(string assembly)
    {
        var api = Assembly.Load(assembly).GeneratePublicApi(new ApiGeneratorOptions
        {
            IncludeAssemblyAttributes = false,
            // By default it leaves out the namespaces in which users look for extension methods.
            DenyNamespacePrefixes = [],
            // Written by the compiler, and different on every machine.
            ExcludeAttributes = [typeof(CompilerGeneratedAttribute).FullName!,
                "System.Runtime.CompilerServices.AsyncIteratorStateMachineAttribute"],
        });
        var path = Path.Combine(Repository.Root, "tests", "TurboDiffusion.Extensions.Tests", "Api", assembly + ".approved.txt");
        if (Environment.GetEnvironmentVariable("TURBODIFFUSION_APPROVE_API") == "1")
            File.WriteAllText(path, api.ReplaceLineEndings("\n"));

        Assert.Equal(File.ReadAllText(path).Trim(), api.ReplaceLineEndings("\n").Trim());
    }

    [Fact]
    public void The_abstractions_are_marked_experimental()
    {
        var attribute = typeof(IVideoGenerator).Assembly.GetCustomAttribute<ExperimentalAttribute>();
        Assert.Equal("TDIFF001", attribute!.DiagnosticId);
    }
}
