using System.Net.Http.Json;
using System.Text.Json;
using TurboDiffusion.AspNetCore.Tests;
using Xunit;

namespace TurboDiffusion.Orleans.Tests;

/// <summary>The program, as a front end and a worker of a cluster.</summary>
public sealed class ServeClusterTests
{
    [Fact]
    public async Task A_worker_makes_what_a_front_end_took_and_the_next_front_end_has_it()
    {
        var folder = Directory.CreateTempSubdirectory("turbodiffusion-serve-cluster-").FullName;
        try
        {
            await using var redis = await RedisServer.StartAsync();
            string[] cluster = ["--cluster", redis.Address, "--cluster-address", "127.0.0.1", "--data", folder];
            await using var worker = await CommandProcess.ServeAsync(
                [.. cluster, "--role", "worker", "--model", CommandProcess.SmallModelFolder]);
            string id;
            byte[] video;
            await using (var front = await CommandProcess.ServeAsync([.. cluster, "--role", "front"]))
            {
                await UntilAsync(async () =>
                    (await front.Http.GetFromJsonAsync<JsonElement>("/v1/models")).GetProperty("data").GetArrayLength() == 1);
                using var answer = await front.Http.PostAsJsonAsync("/v1/videos", new { prompt = "a cat", size = "64x32", steps = 1 });
                id = (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString()!;
                var events = await front.Http.GetStringAsync($"/v1/videos/{id}/events");
                Assert.Contains("event: video.completed", events);
                video = await front.Http.GetByteArrayAsync($"/v1/videos/{id}/content");
            }

            await using var next = await CommandProcess.ServeAsync([.. cluster, "--role", "front"]);
            Assert.Equal(video, await next.Http.GetByteArrayAsync($"/v1/videos/{id}/content"));
            Assert.Equal("Healthy", await worker.Http.GetStringAsync("/health/ready"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        for (var i = 0; i < TestService.Patience && !await condition(); i++)
            await Task.Delay(10);
    }
}
