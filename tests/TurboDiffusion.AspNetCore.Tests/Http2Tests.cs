using System.Net;
using System.Net.Http.Json;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using TurboDiffusion.AspNetCore.Jobs;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>The service over HTTP/2, without encryption and known beforehand, as a proxy on the same machine speaks it.</summary>
public sealed class Http2Tests
{
    [Fact]
    public async Task A_video_is_made_watched_and_downloaded()
    {
        await using var service = await StartAsync();
        service.Generator.Hold();
        var id = await CreateAsync(service, "a cat");
        // Many at a time on one connection, which nobody holds up.
        var watching = Enumerable.Range(0, 20).Select(_ => service.Http.GetStringAsync($"/v1/videos/{id}/events")).ToArray();
        var live = service.Services.GetRequiredService<LiveJobs>();
        await TestService.UntilAsync(() => live.Watchers == watching.Length);
        service.Generator.Release();
        foreach (var events in await Task.WhenAll(watching))
            Assert.Contains("event: video.completed", events);

        using var whole = await service.Http.GetAsync($"/v1/videos/{id}/content");
        Assert.Equal((HttpStatusCode.OK, HttpVersion.Version20), (whole.StatusCode, whole.Version));
        var bytes = await whole.Content.ReadAsByteArrayAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/v1/videos/{id}/content")
        {
            Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Headers = { Range = new(2, 6) },
        };
        using var part = await service.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.PartialContent, part.StatusCode);
        Assert.Equal(bytes[2..7], await part.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task A_client_that_leaves_or_reads_nothing_holds_nothing_for_ever_and_the_others_of_its_connection_go_on()
    {
        await using var service = await StartAsync();
        service.Generator.Bytes = (_, _) => new byte[64 << 20];
        var id = await CreateAsync(service, "large");
        await service.EndOfAsync(id);
        using (var unread = await service.Http.GetAsync($"/v1/videos/{id}/content", HttpCompletionOption.ResponseHeadersRead))
        {
            Assert.True(unread.IsSuccessStatusCode);
            Assert.True(OpenFiles.Has(id));
            Assert.Contains(id, await service.Http.GetStringAsync("/v1/videos"));
        }

        // Its stream is closed, not its connection.
        await TestService.UntilAsync(() => !OpenFiles.Has(id));
        service.Generator.Hold();
        var running = await CreateAsync(service, "running");
        var live = service.Services.GetRequiredService<LiveJobs>();
        using (await service.Http.GetAsync($"/v1/videos/{running}/events", HttpCompletionOption.ResponseHeadersRead))
            await TestService.UntilAsync(() => live.Watchers == 1);

        await TestService.UntilAsync(() => live.Watchers == 0);

        // One that stays and reads nothing is cut off.
        using var staying = await service.Http.GetAsync($"/v1/videos/{id}/content", HttpCompletionOption.ResponseHeadersRead);
        Assert.True(OpenFiles.Has(id));
        await TestService.UntilAsync(() => !OpenFiles.Has(id));
        Assert.True((await service.Http.GetAsync("/v1/videos")).IsSuccessStatusCode);
    }

    private static async Task<TestService> StartAsync()
    {
        var service = await TestService.StartAsync(services: services => services.Configure<KestrelServerOptions>(
            kestrel => kestrel.ConfigureEndpointDefaults(endpoint => endpoint.Protocols = HttpProtocols.Http2)));
        service.Http.DefaultRequestVersion = HttpVersion.Version20;
        service.Http.DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        return service;
    }

    private static async Task<string> CreateAsync(TestService service, string prompt)
    {
        using var answer = await service.Http.PostAsJsonAsync("/v1/videos", new { prompt });
        return TestService.Json(await answer.Content.ReadAsStringAsync()).GetProperty("id").GetString()!;
    }
}
