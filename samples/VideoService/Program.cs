using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using TurboDiffusion.Extensions.AI;

// A web application with a video service in it.
//   dotnet run --project samples/VideoService
//   dotnet run --project samples/VideoService -- --urls http://127.0.0.1:8080 --TurboDiffusion:Model=TurboWan2.1-1.3B

// <service>
var builder = WebApplication.CreateBuilder(args);
builder.Services.AddTurboDiffusion(builder.Configuration.GetSection("TurboDiffusion")).UseLogging().UseOpenTelemetry();
builder.Services.AddVideoService(builder.Configuration.GetSection("VideoService"));

var app = builder.Build();
app.MapVideoGeneration("/v1");
app.MapVideoGenerationPage("/");
app.MapVideoServiceHealth();
app.Run();
// </service>
