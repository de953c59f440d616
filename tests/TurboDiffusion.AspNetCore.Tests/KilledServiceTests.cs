using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>
/// <c>turbodiffusion serve</c> is killed while a job is in each of its states, and at random moments. In the end every job that was
/// accepted has one result, or the error that says that it was interrupted too often, and nothing else is there. TURBODIFFUSION_KILLS=100
/// is a longer run.
/// </summary>
public sealed class KilledServiceTests : IDisposable
{
    private static readonly int RandomKills =
        int.TryParse(Environment.GetEnvironmentVariable("TURBODIFFUSION_KILLS"), CultureInfo.InvariantCulture, out var kills) ? kills : 3;

    private readonly string _folder = Directory.CreateTempSubdirectory("turbodiffusion-killed-").FullName;
    private readonly Random _random = new(1);
    private readonly List<string> _jobs = [];

    private string Data => Path.Combine(_folder, "data");

    private string Settings => Path.Combine(_folder, "service.json");

    private string Temporary => Path.Combine(_folder, "temporary");

    [Fact]
    public async Task Killed_in_any_state_every_job_has_one_end_and_nothing_is_left()
    {
        Directory.CreateDirectory(Temporary);
        // It is asked all the time, and jobs come faster than they end.
        await File.WriteAllTextAsync(
            Settings, """{ "VideoService": { "MaxRequestsPerMinute": 1000000, "MaxJobsPerKey": 1000, "MaxQueuedJobs": 1000 } }""");
        await KillAsync(async (service, id) =>
        {
            var behind = await CreateAsync(service);
            await UntilAsync(async () => await StageAsync(service, id) is not null);
            Assert.Equal("queued", await StatusAsync(service, behind));
        });
        await KillAsync((service, id) => UntilAsync(async () => await StageAsync(service, id) == "decoding"));
        // A file has no name until it is whole; then its pictures are stored, and then the job knows of them.
        await KillAsync((service, id) => UntilAsync(() => Task.FromResult(FilesOf(id).Length > 0)));
        await KillAsync((service, id) => UntilAsync(() => Task.FromResult(FilesOf(id).Contains("video1.mp4"))));
        await KillAsync((service, id) => UntilAsync(async () => await StatusAsync(service, id) == "completed"));
        var finished = _jobs[^1];
        for (var i = 0; i < RandomKills; i++)
            await KillAsync((_, _) => Task.Delay(_random.Next(1000)));

        await using var last = await StartAsync();
        Assert.Equal("completed", await StatusAsync(last, finished));
        await UntilAsync(async () =>
        {
            foreach (var id in _jobs)
            {
                if (await StatusAsync(last, id) is not ("completed" or "failed"))
                    return false;
            }

            return true;
        });
        await CheckAsync(last);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Starts the service on what is there, asks it for a video, and kills it at a moment.</summary>
    private async Task KillAsync(Func<CommandProcess, string, Task> moment)
    {
        await using var service = await StartAsync();
        var id = await CreateAsync(service);
        await moment(service, id);
        await service.KillAsync();
    }

    private async Task CheckAsync(CommandProcess service)
    {
        var listed = (await service.Http.GetFromJsonAsync<JsonElement>("/v1/videos?limit=100&order=asc")).GetProperty("data");
        Assert.Equal(_jobs.Take(100), listed.EnumerateArray().Select(video => video.GetProperty("id").GetString()));
        byte[]? first = null;
        var interrupted = new List<string>();
        foreach (var id in _jobs)
        {
            var video = await VideoAsync(service, id);
            if (video.GetProperty("status").GetString() == "failed")
            {
                Assert.Equal("interrupted", video.GetProperty("error").GetProperty("code").GetString());
                Assert.Empty(FilesOf(id));
                interrupted.Add(id);
                continue;
            }

            // All were asked for the same, whichever run it was.
            var content = await service.Http.GetByteArrayAsync($"/v1/videos/{id}/content");
            Assert.Equal(first ??= content, content);
            var run = Assert.Single(FilesOf(id), name => name.EndsWith(".mp4", StringComparison.Ordinal))["video".Length..^".mp4".Length];
            Assert.Equal([$"spritesheet{run}.webp", $"thumbnail{run}.webp", $"video{run}.mp4"], FilesOf(id).Order());
        }

        Assert.Equal("ftyp"u8, first.AsSpan(4, 4));
        Assert.Equal(_jobs.Except(interrupted).Order(), Directory.GetDirectories(Path.Combine(Data, "videos"))
            .Select(path => Path.GetFileName(path)).Except(interrupted).Order());
        Assert.Equal(0, await service.InterruptAsync());
        Assert.Empty(Directory.GetFileSystemEntries(Temporary, ".*"));
        TestContext.Current.TestOutputHelper!.WriteLine($"{_jobs.Count} jobs, killed {5 + RandomKills} times: "
            + $"{_jobs.Count - interrupted.Count} videos, {interrupted.Count} interrupted too often.");
    }

    private Task<CommandProcess> StartAsync() => CommandProcess.ServeInAsync(
        Temporary, "--data", Data, "--settings", Settings, "--model", CommandProcess.SmallModelFolder);

    private async Task<string> CreateAsync(CommandProcess service)
    {
        using var answer = await service.Http.PostAsJsonAsync(
            "/v1/videos", new { prompt = "a cat", size = "64x64", frames = 17, steps = 4, seed = 7 });
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        var id = (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString()!;
        _jobs.Add(id);
        return id;
    }

    private string[] FilesOf(string id) => Directory.Exists(Path.Combine(Data, "videos", id))
        ? [.. new DirectoryInfo(Path.Combine(Data, "videos", id)).GetFiles().Select(file => file.Name)] : [];

    private static Task<JsonElement> VideoAsync(CommandProcess service, string id) =>
        service.Http.GetFromJsonAsync<JsonElement>($"/v1/videos/{id}");

    private static async Task<string?> StatusAsync(CommandProcess service, string id) =>
        (await VideoAsync(service, id)).GetProperty("status").GetString();

    private static async Task<string?> StageAsync(CommandProcess service, string id) =>
        (await VideoAsync(service, id)).GetProperty("stage").GetString();

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        for (var i = 0; i < 10 * TestService.Patience; i++)
        {
            if (await condition())
                return;

            await Task.Delay(1);
        }

        Assert.Fail("It did not become so.");
    }
}
