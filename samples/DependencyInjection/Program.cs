using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using TurboDiffusion.Extensions.AI;

// A generic host with a video generator.
//   dotnet run --project samples/DependencyInjection
//   dotnet run --project samples/DependencyInjection -- --TurboDiffusion:Model=TurboWan2.1-1.3B --prompt="a cat on a beach"

// <register>
var builder = Host.CreateApplicationBuilder(args);
builder.Services.AddDistributedMemoryCache();
builder.Services
    .AddTurboDiffusion(builder.Configuration.GetSection("TurboDiffusion"))
    .UseLogging()
    .UseOpenTelemetry()
    .UseDistributedCache();
builder.Services.AddHealthChecks().AddTurboDiffusion();
// </register>

using var host = builder.Build();
await host.StartAsync();

// <generate>
var generator = host.Services.GetRequiredService<IVideoGenerator>();
var request = new VideoGenerationRequest(builder.Configuration["prompt"] ?? "a red circle bounces across a night sky");
var options = new VideoGenerationOptions { Seed = 7, StreamingCount = 3 };

await foreach (var update in generator.GenerateStreamingAsync(request, options))
{
    if (update.Kind == VideoGenerationResponseUpdateKind.Progress)
        Console.WriteLine($"{update.Progress?.PercentComplete} %, {update.Progress?.Stage}, {update.Progress?.Remaining:m\\:ss} left");
    else if (update.Kind == VideoGenerationResponseUpdateKind.VideoUpdating)
        Console.WriteLine($"preview: {((DataContent)update.Contents[0]).Name}");
    else if (update.Contents is [UriContent video])
        Console.WriteLine($"video: {video.Uri.LocalPath}, {video.GetVideoInfo()}");
}
// </generate>

// The same request and seed: the stored video, at once.
var again = await generator.GenerateAsync(request, options);
Console.WriteLine($"again: {((UriContent)again.Contents[0]).Uri.LocalPath}");

var health = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync();
Console.WriteLine($"health: {health.Status}");
await host.StopAsync();
