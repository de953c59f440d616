using System.Reflection;
using Xunit;
using Xunit.Sdk;
using Xunit.v3;

namespace TurboDiffusion.Tests.Operators;

/// <summary>
/// A case of a theory whose first parameter is the <see cref="TestMachine"/>: once on the emulator and once on the GPU.
/// </summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
internal sealed class KernelCaseAttribute(params object?[] values) : DataAttribute
{
    /// <summary>Whether it is too large for the emulator.</summary>
    public bool GpuOnly { get; init; }

    /// <summary>The rows of a case.</summary>
    public static IEnumerable<ITheoryDataRow> Rows(bool gpuOnly, params object?[] values)
    {
        if (!gpuOnly) yield return new TheoryDataRow([TestMachine.Emulator, .. values]);
        yield return new TheoryDataRow([TestMachine.Gpu, .. values]) { Traits = new() { ["Category"] = ["Gpu"] } };
    }

    public override ValueTask<IReadOnlyCollection<ITheoryDataRow>> GetData(MethodInfo testMethod, DisposalTracker disposalTracker) =>
        new([.. Rows(GpuOnly, values)]);

    public override bool SupportsDiscoveryEnumeration() => true;
}
