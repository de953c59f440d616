using System.ClientModel;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenAI.Videos;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>The service on a real port of this machine, with a folder of its own.</summary>
internal sealed class TestService : IAsyncDisposable
{
    // In hundredths of a second: the machine may be busy with other tests.
    public const int Patience = 6000;

    private readonly WebApplication _app;
    private readonly string? _ownFolder;

    private TestService(WebApplication app, FakeVideoGenerator generator, string? ownFolder)
    {
        (_app, Generator, _ownFolder) = (app, generator, ownFolder);
        Address = new Uri(app.Urls.First());
        Http = new HttpClient { BaseAddress = Address };
    }

    /// <summary>Changes what every service of a test program is.</summary>
    public static Action<WebApplicationBuilder>? Host { get; set; }

    public FakeVideoGenerator Generator { get; }

    public Uri Address { get; }

    public HttpClient Http { get; }

    public IServiceProvider Services => _app.Services;

    /// <summary>OpenAI's client, pointed here.</summary>
    public VideoClient Videos => Client("no-key-needed");

    public static async Task<TestService> StartAsync(
        Action<VideoServiceOptions>? configure = null,
        string? folder = null,
        Action<IServiceCollection>? services = null,
        IVideoGenerator? inner = null)
    {
        var generator = new FakeVideoGenerator();
        var own = folder is null ? Directory.CreateTempSubdirectory("turbodiffusion-service-").FullName : null;
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Services.AddVideoGenerator(inner ?? generator);
        services?.Invoke(builder.Services);
        Host?.Invoke(builder);
        builder.Services.AddVideoService(options =>
        {
            options.DataFolder = folder ?? own;
            configure?.Invoke(options);
        });
        var app = builder.Build();
        app.MapVideoGeneration("/v1");
        app.MapVideoGenerationPage();
        app.MapVideoServiceHealth();
        await app.StartAsync();
        return new TestService(app, generator, own);
    }

    public VideoClient Client(string key) => new(
        new ApiKeyCredential(key),
        new VideoClientOptions
        {
            Endpoint = new Uri(Address, "/v1"),
            // Errors at once, not after three tries.
            RetryPolicy = new System.ClientModel.Primitives.ClientRetryPolicy(maxRetries: 0),
        });

    public async Task<JsonElement> GetAsync(string path) => Json(await Http.GetStringAsync(path));

    /// <summary>Asks until a video has ended.</summary>
    public async Task<JsonElement> EndOfAsync(string id)
    {
        for (var i = 0; i < Patience; i++)
        {
            var video = await GetAsync($"/v1/videos/{id}");
            if (video.GetProperty("status").GetString() is "completed" or "failed")
                return video;

            await Task.Delay(10);
        }

        throw new TimeoutException($"The video {id} has not ended.");
    }

    /// <summary>Waits until something is so.</summary>
    public static async Task UntilAsync(Func<bool> condition)
    {
        for (var i = 0; i < Patience && !condition(); i++)
            await Task.Delay(10);

        Xunit.Assert.True(condition(), "It did not become so within a minute.");
    }

    public static JsonElement Json(string text)
    {
        using var document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        if (_ownFolder is not null)
            Directory.Delete(_ownFolder, recursive: true);
    }
}
