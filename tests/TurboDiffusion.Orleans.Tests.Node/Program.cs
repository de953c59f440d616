using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using TurboDiffusion.Extensions.AI;
using TurboDiffusion.Orleans;
using TurboDiffusion.Orleans.Tests.Node;

// A member of a cluster under test: --Redis, --Role, --Data, --Urls, --Milliseconds of a generation, or --Model.
var builder = WebApplication.CreateSlimBuilder(args);
var settings = builder.Configuration;
var data = settings["Data"]!;
builder.WebHost.UseUrls(settings["Urls"]!);
builder.Logging.ClearProviders();
builder.Logging.AddSimpleConsole(console => (console.SingleLine, console.TimestampFormat) = (true, "HH:mm:ss.fff "));
builder.Logging.SetMinimumLevel(LogLevel.Warning);
if (settings["Model"] is { } model)
{
    builder.Services.AddTurboDiffusion(engine => (engine.Model, engine.Device) = (model, "cpu"));
}
else
{
    var log = Path.Combine(data, $"runs-{Environment.ProcessId}.log");
    builder.Services.AddVideoGenerator(new FastGenerator(TimeSpan.FromMilliseconds(settings.GetValue<int>("Milliseconds")), log));
}

builder.UseVideoCluster(cluster =>
{
    cluster.Redis = settings["Redis"];
    cluster.Role = settings.GetValue<VideoClusterRole>("Role");
    cluster.Address = "127.0.0.1";
    cluster.Lease = TimeSpan.FromSeconds(4);
    cluster.DeathAfter = TimeSpan.FromSeconds(settings.GetValue("DeathAfter", 6));
});
builder.Services.AddVideoService(service =>
{
    service.DataFolder = data;
    service.Workers = settings.GetValue("Workers", 1);
    service.MaxAttempts = 1000;
    service.MaxQueuedJobs = service.MaxJobsPerKey = service.MaxRequestsPerMinute = 1_000_000;
});
var app = builder.Build();
app.MapVideoGeneration();
app.MapVideoServiceHealth();
// Live managed bytes, without the grains that are idle: those leave by themselves after a while.
app.MapGet("/memory", async (IGrainFactory grains) =>
{
    await grains.GetGrain<IManagementGrain>(0).ForceActivationCollection(TimeSpan.Zero);
    return GC.GetTotalMemory(forceFullCollection: true);
});
// What the process has, as it is.
app.MapGet("/memory/parts", ProcessMemory.Now);
await app.StartAsync();
Console.WriteLine($"listening at {app.Urls.First()}");
await app.WaitForShutdownAsync();
