using System.Runtime.CompilerServices;
using Microsoft.Extensions.Hosting;
using TurboDiffusion.AspNetCore.Tests;

namespace TurboDiffusion.Orleans.Tests;

/// <summary>Makes every service of this test program a cluster of one process, in memory.</summary>
internal static class ClusterInMemory
{
    [ModuleInitializer]
    internal static void Use() => TestService.Host = builder => builder.UseVideoCluster(cluster => cluster.Lease = TimeSpan.FromSeconds(3));
}
