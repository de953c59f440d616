using System.Net;
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
            // As the containers are started, on this machine.
            string[] here = ["--cluster-address", "127.0.0.1", "--data", folder, "--model", CommandProcess.SmallModelFolder];
            await using var worker = await CommandProcess.ServeAsync([.. Composed("worker", redis.Address), .. here]);
            string id;
            byte[] video;
            await using (var front = await CommandProcess.ServeAsync([.. Composed("front", redis.Address), .. here]))
            {
                await UntilAsync(async () =>
                    (await front.Http.GetFromJsonAsync<JsonElement>("/v1/models")).GetProperty("data").GetArrayLength() == 1);
                // The front end was told the model: it refuses what that cannot make, though it runs nothing.
                using var refused = await front.Http.PostAsJsonAsync("/v1/videos", new { prompt = "a cat", size = "65x32" });
                Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
                Assert.Contains("multiple of 16", await refused.Content.ReadAsStringAsync());
                using var answer = await front.Http.PostAsJsonAsync("/v1/videos", new { prompt = "a cat", size = "64x32", steps = 1 });
                id = (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString()!;
                var events = await front.Http.GetStringAsync($"/v1/videos/{id}/events");
                Assert.Contains("event: video.completed", events);
                video = await front.Http.GetByteArrayAsync($"/v1/videos/{id}/content");
            }

            await using var next = await CommandProcess.ServeAsync([.. Composed("front", redis.Address), .. here]);
            Assert.Equal(video, await next.Http.GetByteArrayAsync($"/v1/videos/{id}/content"));
            Assert.Equal("Healthy", await worker.Http.GetStringAsync("/health/ready"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The arguments of a service of compose.yaml, with another Redis.</summary>
    private static string[] Composed(string service, string redis)
    {
        var lines = File.ReadAllLines(Path.Combine(Repository.Root, "samples", "VideoService", "compose.yaml"));
        var command = lines.SkipWhile(line => line != $"  {service}:")
            .First(line => line.StartsWith("    command: [", StringComparison.Ordinal));
        var arguments = JsonSerializer.Deserialize<string[]>(command[command.IndexOf('[')..])!;
        Assert.Equal(service, arguments[Array.IndexOf(arguments, "--role") + 1]);
        arguments[Array.IndexOf(arguments, "--cluster") + 1] = redis;
        return arguments;
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        for (var i = 0; i < TestService.Patience && !await condition(); i++)
            await Task.Delay(10);
    }
}
