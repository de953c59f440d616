using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using TurboDiffusion.AspNetCore.Tests;
using Xunit;

namespace TurboDiffusion.Orleans.Tests;

/// <summary>What a front end keeps of jobs that have ended and that nobody asks about.</summary>
public sealed class ClusterMemoryTests
{
    private const int Clients = 8;

    // The entry in the list of its key, its name, and its place in the cache of grains; a job's grain would be some KB more. Beside that,
    // what of the process grows at its beginning.
    private const int LargestBytes = 3 << 10, Beginning = 2 << 20;

    // What the process has beyond live objects: code that is compiled more than once, the collector's free pages, and what glibc's malloc
    // keeps for later, all of which end at some level (docs/reliability.md).
    private const long LargestGrowth = 96 << 20;

    // What malloc has given out does not grow at all; the compiler takes some megabytes while it compiles (8.1 were seen).
    private const long LargestNative = 24 << 20;

    // A large run is one command: TURBODIFFUSION_CLUSTER_JOBS=10000 (docs/reliability.md).
    private static readonly int Jobs =
        int.TryParse(Environment.GetEnvironmentVariable("TURBODIFFUSION_CLUSTER_JOBS"), out var jobs) ? jobs : 300;

    [Fact]
    public async Task Of_an_ended_job_a_front_end_keeps_its_place_in_a_list()
    {
        var folder = Directory.CreateTempSubdirectory("turbodiffusion-memory-").FullName;
        try
        {
            await using var redis = await RedisServer.StartAsync();
            await using var front = Node(VideoClusterRole.Front);
            await using var worker = Node(VideoClusterRole.Worker);
            await Task.WhenAll(front.ReadyAsync(), worker.ReadyAsync());
            using var http = new HttpClient { BaseAddress = front.Address };
            for (var i = 0; i < TestService.Patience && await ModelsAsync(http) == 0; i++)
                await Task.Delay(10);

            // What the first jobs need once is not of them.
            await MakeAsync(http, 0, Jobs / 2);
            var (before, partsBefore) = await MeasureAsync(http);
            await MakeAsync(http, Jobs / 2, Jobs);
            var (after, partsAfter) = await MeasureAsync(http);
            var bytes = (after - before) / (Jobs - Jobs / 2);
            var most = LargestBytes + Beginning / (Jobs - Jobs / 2);
            TestContext.Current.TestOutputHelper!.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{Jobs} jobs: {bytes} bytes a job, {after >> 20} MB in all. {Text(partsBefore)}; {Text(partsAfter)}."));
            Assert.InRange(bytes, long.MinValue, most);
            Assert.InRange(partsAfter["nativeInUse"] - partsBefore["nativeInUse"], long.MinValue, LargestNative);
            Assert.InRange(partsAfter["private"] - partsBefore["private"], long.MinValue, LargestGrowth);

            ClusterNode Node(VideoClusterRole role) => ClusterNode.Start(
                ["--Redis", redis.Address, "--Role", $"{role}", "--Data", folder, "--Milliseconds", "0", "--Workers", "4"]);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<(long Live, Dictionary<string, long> Parts)> MeasureAsync(HttpClient http)
    {
        var live = await http.GetFromJsonAsync<long>("/memory");
        var parts = await http.GetFromJsonAsync<JsonElement>("/memory/parts");
        return (live, parts.EnumerateObject().Where(part => part.Value.ValueKind == JsonValueKind.Number)
            .ToDictionary(part => part.Name, part => part.Value.GetInt64(), StringComparer.Ordinal));
    }

    private static string Text(Dictionary<string, long> parts) => string.Join(", ",
        parts.Select(part => part.Value >= 1 << 20 ? $"{part.Key} {part.Value >> 20} MiB" : $"{part.Key} {part.Value}"));

    private static async Task<int> ModelsAsync(HttpClient http) =>
        (await http.GetFromJsonAsync<JsonElement>("/v1/models")).GetProperty("data").GetArrayLength();

    private static Task MakeAsync(HttpClient http, int first, int count) => Parallel.ForEachAsync(
        Enumerable.Range(first, count), new ParallelOptions { MaxDegreeOfParallelism = Clients }, async (number, cancellation) =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/videos")
            {
                Content = JsonContent.Create(new { prompt = $"video {number}" }),
                Headers = { { "Idempotency-Key", $"{number}" } },
            };
            using var answer = await http.SendAsync(request, cancellation);
            answer.EnsureSuccessStatusCode();
            var id = (await answer.Content.ReadFromJsonAsync<JsonElement>(cancellation)).GetProperty("id").GetString();
            Assert.Contains("event: video.completed", await http.GetStringAsync($"/v1/videos/{id}/events", cancellation));
        });
}
