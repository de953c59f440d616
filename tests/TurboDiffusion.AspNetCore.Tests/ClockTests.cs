using System.Net.Http.Json;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>A time of day that is set while videos are made.</summary>
public sealed class ClockTests
{
    [Theory]
    [InlineData(-30)]
    [InlineData(3)]
    public async Task Jobs_go_on_when_the_clock_is_set(int days)
    {
        var clock = new SettableClock();
        await using var service = await TestService.StartAsync(services: services => services.AddSingleton<TimeProvider>(clock));
        service.Generator.Hold();
        var running = await CreateAsync(service, "running");
        await TestService.UntilAsync(() => service.Generator.Calls.Count == 1);
        var waiting = await CreateAsync(service, "waiting");
        var events = service.Http.GetStringAsync($"/v1/videos/{waiting}/events");

        clock.Jump(TimeSpan.FromDays(days));
        var later = await CreateAsync(service, "later");
        service.Generator.Release();
        foreach (var id in (string[])[running, waiting, later])
            Assert.Equal("completed", (await service.EndOfAsync(id)).GetProperty("status").GetString());

        Assert.Contains("event: video.completed", await events);
        Assert.Equal([running, waiting, later], (await service.GetAsync("/v1/videos?order=asc")).GetProperty("data").EnumerateArray()
            .Select(video => video.GetProperty("id").GetString()));
        Assert.Equal(["running", "waiting", "later"], service.Generator.Calls.Select(call => call.Request.Prompt));
    }

    private static async Task<string> CreateAsync(TestService service, string prompt)
    {
        using var answer = await service.Http.PostAsJsonAsync("/v1/videos", new { prompt });
        var body = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, body);
        return TestService.Json(body).GetProperty("id").GetString()!;
    }
}
