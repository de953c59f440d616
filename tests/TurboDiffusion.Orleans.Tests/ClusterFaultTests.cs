using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using TurboDiffusion.AspNetCore.Tests;
using Xunit;

namespace TurboDiffusion.Orleans.Tests;

/// <summary>
/// A front end and three workers, each a process, on a real Redis; at random times one of them, or Redis, is killed. Every job that was
/// accepted ends once: as a video, as the failure that it was to be, or cancelled.
/// </summary>
public sealed class ClusterFaultTests
{
    private const int Workers = 3;

    // Of the jobs, after each of which memory is looked at.
    private const int Parts = 8;

    // A large run is one command: TURBODIFFUSION_CLUSTER_JOBS=10000 (docs/reliability.md).
    private static readonly int Jobs = Number("TURBODIFFUSION_CLUSTER_JOBS", 60);
    private static readonly int Clients = Number("TURBODIFFUSION_CLUSTER_CLIENTS", 12);
    private static readonly int Slots = Number("TURBODIFFUSION_CLUSTER_SLOTS", 2);
    private static readonly bool IsCalm = Environment.GetEnvironmentVariable("TURBODIFFUSION_CLUSTER_FAULTS") == "0";
    private static readonly int Milliseconds = Number("TURBODIFFUSION_CLUSTER_MILLISECONDS", 200);
    private static readonly bool IsReal = Environment.GetEnvironmentVariable("TURBODIFFUSION_CLUSTER_MODEL") == "tiny";

    private readonly Random _random = new(Number("TURBODIFFUSION_CLUSTER_SEED", 1));
    private readonly ConcurrentDictionary<string, string> _ended = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, byte> _cancelled = new(StringComparer.Ordinal);
    private readonly string _folder = Directory.CreateTempSubdirectory("turbodiffusion-cluster-").FullName;
    private int _accepted;
    private int _started;

    [Fact]
    public async Task Every_job_ends_once_whoever_is_killed()
    {
        var watch = Stopwatch.StartNew();
        await using var redis = await RedisServer.StartAsync();
        await using var front = Node(redis, VideoClusterRole.Front);
        var workers = Enumerable.Range(0, Workers).Select(_ => Node(redis, VideoClusterRole.Worker)).ToArray();
        try
        {
            await Task.WhenAll(workers.Append(front).Select(node => node.ReadyAsync()));
            using var http = new HttpClient { BaseAddress = front.Address, Timeout = TimeSpan.FromMinutes(1) };
            await UntilAsync(async () => (await http.GetFromJsonAsync<JsonElement>("/v1/models")).GetProperty("data").GetArrayLength() > 0);
            var ready = watch.Elapsed;
            using var calm = new CancellationTokenSource();
            var faults = IsCalm ? Task.FromResult(new Dictionary<string, int>()) : FaultsAsync(redis, front, workers, calm.Token);
            var clients = Enumerable.Range(0, Clients).Select(client => ClientAsync(http, client)).ToArray();
            var memory = new List<string>();
            for (var part = 1; part < Parts; part++)
            {
                await UntilAsync(() => Task.FromResult(
                    Volatile.Read(ref _started) >= Jobs * part / Parts || clients.All(client => client.IsCompleted)));
                memory.Add(Memory(workers, front, redis));
            }

            await UntilAsync(() => Task.FromResult(Volatile.Read(ref _started) >= Jobs || clients.All(client => client.IsCompleted)));
            await calm.CancelAsync();
            var counts = await faults;
            await Task.WhenAll(clients);
            await CheckAsync(http);
            memory.Add(Memory(workers, front, redis));
            Report(ready, watch.Elapsed, counts, memory);
        }
        catch
        {
            foreach (var node in workers.Append(front))
                Write($"{node.Address}, started {node.Starts} times:\n{node.Log}\n");

            throw;
        }
        finally
        {
            foreach (var worker in workers)
                await worker.DisposeAsync();
        }
    }

    /// <summary>Kills, at random times, until it is told to stop; everything runs then.</summary>
    private async Task<Dictionary<string, int>> FaultsAsync(
        RedisServer redis, ClusterNode front, ClusterNode[] workers, CancellationToken calm)
    {
        var counts = new Dictionary<string, int> { ["worker killed"] = 0, ["Redis killed"] = 0, ["front end restarted"] = 0 };
        for (var round = 0; ; round++)
        {
            await Task.Delay(TimeSpan.FromSeconds(1 + 3 * _random.NextDouble()), calm)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            // The small run, too, has one of each.
            if (calm.IsCancellationRequested && round >= 3)
                return counts;

            var kind = round < 3 ? round : _random.Next(6);
            if (kind is 0 or > 2)
            {
                var worker = workers[_random.Next(workers.Length)];
                worker.Kill();
                counts["worker killed"]++;
                await worker.ReadyAsync();
            }
            else if (kind == 1)
            {
                await redis.KillAsync();
                counts["Redis killed"]++;
                await Task.Delay(TimeSpan.FromSeconds(2 * _random.NextDouble()), CancellationToken.None);
                await redis.StartAgainAsync();
            }
            else
            {
                if (round % 2 == 0)
                    front.Terminate();
                else
                    front.Kill();

                counts["front end restarted"]++;
                await front.ReadyAsync();
            }
        }
    }

    /// <summary>Asks for one video after another, some to fail and some to be cancelled, and waits for each.</summary>
    private async Task ClientAsync(HttpClient http, int client)
    {
        var random = new Random(client);
        for (int number; (number = Interlocked.Increment(ref _started)) <= Jobs;)
        {
            var prompt = random.Next(10) == 0 && !IsReal ? $"fail {number}" : $"video {number}";
            var id = await TryAsync(async () => Id(await SendAsync(http, prompt, number)));
            Interlocked.Increment(ref _accepted);
            if (random.Next(10) == 0)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(random.Next(2 * Milliseconds)));
                await TryAsync(async () =>
                {
                    using var answer = await http.DeleteAsync($"/v1/videos/{id}");
                    // Not found: an earlier try was heard, though not answered.
                    return answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.NotFound ? true
                        : throw new HttpRequestException($"{answer.StatusCode}");
                });
                _cancelled[id] = 0;
                continue;
            }

            await UntilAsync(() => TryAsync(async () =>
            {
                var video = await http.GetFromJsonAsync<JsonElement>($"/v1/videos/{id}");
                if (video.GetProperty("status").GetString() is not ("completed" or "failed") and var status)
                    return false;

                var content = "";
                if (video.GetProperty("status").GetString() == "completed")
                    content = Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(await ContentAsync(http, id)));
                else
                    Assert.StartsWith("fail", prompt);

                _ended[id] = content;
                return true;
            }));
        }
    }

    /// <summary>Counts what there is: nothing lost, nothing twice, nothing changed since it was first seen.</summary>
    private async Task CheckAsync(HttpClient http)
    {
        Assert.Equal(Jobs, _accepted);
        Assert.Equal(Jobs, _ended.Count + _cancelled.Count);
        var listed = new List<JsonElement>();
        for (string? after = null; ;)
        {
            var from = after is null ? "" : $"&after={after}";
            var page = await TryAsync(() => http.GetFromJsonAsync<JsonElement>($"/v1/videos?limit=100&order=asc{from}"));
            listed.AddRange(page.GetProperty("data").EnumerateArray());
            if (!page.GetProperty("has_more").GetBoolean())
                break;

            after = page.GetProperty("last_id").GetString();
        }

        string[] ids = [.. listed.Select(Id)];
        Assert.Equal(ids.Length, ids.Distinct().Count());
        Assert.Equal(_ended.Keys.Order(), ids.Order());
        Assert.Equal(ids.Length, listed.Select(video => video.GetProperty("seed").GetInt64()).Distinct().Count());
        foreach (var (id, content) in _ended.Where(ended => ended.Value.Length > 0))
            Assert.Equal(content, Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(await ContentAsync(http, id))));

        // The files of a cancelled job go when its worker has stopped, or its lease has ended.
        var videos = Path.Combine(_folder, "videos");
        await UntilAsync(() => Task.FromResult(
            Directory.GetDirectories(videos).All(folder => _ended.ContainsKey(Path.GetFileName(folder)))));
        // One that was superseded deletes what it stored. Left are a video and its two pictures.
        await UntilAsync(() => Task.FromResult(_ended.All(ended => !Directory.Exists(Path.Combine(videos, ended.Key))
            ? ended.Value.Length == 0
            : Directory.GetFiles(Path.Combine(videos, ended.Key)).Length == (ended.Value.Length == 0 ? 0 : 3))));
    }

    private void Report(TimeSpan ready, TimeSpan whole, Dictionary<string, int> faults, IReadOnlyList<string> memory)
    {
        // The test's own generator counts them.
        var runs = IsReal ? "" : $"{Directory.GetFiles(_folder, "runs-*.log").Sum(file => File.ReadLines(file).Count())} runs begun. ";
        var took = whole - ready;
        Write(string.Create(CultureInfo.InvariantCulture, $"{Jobs} jobs: {_ended.Count(e => e.Value.Length > 0)} videos, "
            + $"{_ended.Count(e => e.Value.Length == 0)} failed as they were to, {_cancelled.Count} cancelled; 0 lost, 0 twice. "
            + $"{string.Concat(faults.Select(fault => $"{fault.Key} {fault.Value} times. "))}{runs}"
            + $"{took.TotalSeconds:0} s, {Jobs / took.TotalSeconds:0.0} jobs/s. "
            + $"MB (workers, front end, Redis) after each part of {Parts}: {string.Join("; ", memory)}."));
        Directory.Delete(_folder, recursive: true);
    }

    // A process that was started again has just begun to grow.
    private static string Memory(ClusterNode[] workers, ClusterNode front, RedisServer redis) =>
        string.Join(", ", workers.Append(front).Select(node => node.Memory()).Append(redis.Memory()).Select(bytes => $"{bytes >> 20}"));

    private ClusterNode Node(RedisServer redis, VideoClusterRole role)
    {
        string[] what = IsReal ? ["--Model", CommandProcess.SmallModelFolder]
            : ["--Milliseconds", $"{Milliseconds}", "--Workers", $"{Slots}"];
        return ClusterNode.Start(["--Redis", redis.Address, "--Role", $"{role}", "--Data", _folder, .. what]);
    }

    private static async Task<JsonElement> SendAsync(HttpClient http, string prompt, int seed)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/videos")
        {
            Content = IsReal ? JsonContent.Create(new { prompt, seed, size = "64x32", steps = 1 })
                : JsonContent.Create(new { prompt, seed }),
            Headers = { { "Idempotency-Key", prompt } },
        };
        using var answer = await http.SendAsync(request);
        return answer.IsSuccessStatusCode ? await answer.Content.ReadFromJsonAsync<JsonElement>()
            : throw new HttpRequestException($"{answer.StatusCode}: {await answer.Content.ReadAsStringAsync()}");
    }

    private static Task<byte[]> ContentAsync(HttpClient http, string id) =>
        TryAsync(() => http.GetByteArrayAsync($"/v1/videos/{id}/content"));

    private static string Id(JsonElement video) => video.GetProperty("id").GetString()!;

    /// <summary>Tries as a client does: what is not answered is asked again.</summary>
    private static async Task<T> TryAsync<T>(Func<Task<T>> call)
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                return await call();
            }
            catch (Exception exception) when (exception is HttpRequestException or TaskCanceledException or IOException
                && watch.Elapsed < TimeSpan.FromMinutes(3))
            {
                await Task.Delay(100);
            }
        }
    }

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        var watch = Stopwatch.StartNew();
        while (!await condition())
        {
            Assert.True(watch.Elapsed < TimeSpan.FromMinutes(Math.Max(3, Jobs / 10)), "It did not become so.");
            await Task.Delay(50);
        }
    }

    private static int Number(string variable, int usual) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number : usual;

    private static void Write(string text) => TestContext.Current.TestOutputHelper!.WriteLine(text);
}
