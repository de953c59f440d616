using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using TurboDiffusion.AspNetCore.Jobs;
using TurboDiffusion.Extensions.AI;
using TurboDiffusion.Tests.Media;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>
/// The service on a disk that fills up: requests and jobs end in an error, nothing half written is left, and with room again it goes on.
/// </summary>
public sealed class FullDiskTests
{
    private const int Kilobyte = 1 << 10;

    [Fact]
    public async Task A_video_without_room_is_a_failed_job_and_the_next_one_is_made()
    {
        using var disk = new SmallDisk(16 << 10);
        await using var service = await StartAsync(disk);
        // Room for the job, but not for its video.
        Fill(disk, 400 * Kilobyte);
        var failed = await service.EndOfAsync(await CreateAsync(service));
        Assert.Equal("failed", failed.GetProperty("status").GetString());
        Assert.Equal("server_error", failed.GetProperty("error").GetProperty("code").GetString());
        Assert.EndsWith("missing (disk).", failed.GetProperty("error").GetProperty("message").GetString());
        Assert.Empty(Files(disk));
        Assert.Equal(HttpStatusCode.OK, (await service.Http.GetAsync("/v1/videos")).StatusCode);

        File.Delete(disk.File("filler"));
        var id = await CreateAsync(service);
        Assert.Equal("completed", (await service.EndOfAsync(id)).GetProperty("status").GetString());
        Assert.Equal(1000 * Kilobyte, (await service.Http.GetByteArrayAsync($"/v1/videos/{id}/content")).Length);
    }

    [Fact]
    public async Task A_request_without_room_is_told_to_come_again_and_leaves_nothing()
    {
        using var disk = new SmallDisk(16 << 10);
        await using var service = await StartAsync(disk);
        Fill(disk, 0);
        var image = $"data:image/png;base64,{Convert.ToBase64String(FakeVideoGenerator.Picture(640, 320, 9))}";
        using var response = await service.Http.PostAsJsonAsync("/v1/videos", new { prompt = "a", input_reference = image });
        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.NotNull(response.Headers.RetryAfter);
        var error = TestService.Json(await response.Content.ReadAsStringAsync()).GetProperty("error");
        Assert.Equal("unavailable", error.GetProperty("code").GetString());
        Assert.DoesNotContain(disk.Path, error.GetProperty("message").GetString());
        Assert.Empty(Files(disk));
        Assert.Equal(0, (await service.GetAsync("/v1/videos")).GetProperty("data").GetArrayLength());

        File.Delete(disk.File("filler"));
        Assert.Equal("completed", (await service.EndOfAsync(await CreateAsync(service))).GetProperty("status").GetString());
    }

    [Fact]
    public async Task A_job_that_ends_while_there_is_no_room_to_say_so_is_stored_when_there_is()
    {
        using var disk = new SmallDisk(16 << 10);
        await using var service = await StartAsync(disk);
        service.Generator.Hold();
        var id = await CreateAsync(service);
        await TestService.UntilAsync(() => !service.Generator.Calls.IsEmpty);
        Fill(disk, 0);
        service.Generator.Release();
        await Task.Delay(1500);
        var status = (await service.GetAsync($"/v1/videos/{id}")).GetProperty("status").GetString();
        Assert.Contains(status, (string[])["in_progress", "failed"]);
        Assert.Empty(Files(disk));
        File.Delete(disk.File("filler"));
        var end = await service.EndOfAsync(id);
        Assert.EndsWith("missing (disk).", end.GetProperty("error").GetProperty("message").GetString());
        Assert.Equal("completed", (await service.EndOfAsync(await CreateAsync(service))).GetProperty("status").GetString());
    }

    [Fact]
    public async Task The_store_of_jobs_keeps_what_it_has_and_takes_more_when_there_is_room()
    {
        using var disk = new SmallDisk(1 << 10);
        using var store = new SqliteVideoJobStore(disk.File("jobs.db"));
        var first = Job();
        await store.AddAsync(first, 10_000, 10_000);
        Fill(disk, 0);
        var added = 0;
        // What the write-ahead log has room for is taken.
        var error = await Assert.ThrowsAsync<EnvironmentException>(async () =>
        {
            for (; added < 10_000; added++)
                await store.AddAsync(Job(), 10_000, 10_000);
        });
        Assert.Equal("database", error.Dependency);
        Assert.Contains(disk.Path, error.Message);
        Assert.Equal(1 + added, await store.CountAsync(VideoJobStatus.Queued));
        Assert.NotNull(await store.FindAsync(first.Id));

        File.Delete(disk.File("filler"));
        await store.AddAsync(Job(), 10_000, 10_000);
        Assert.Equal(2 + added, await store.CountAsync(VideoJobStatus.Queued));
        for (var i = 0; i < 2 + added; i++)
            Assert.NotNull(await store.TakeAsync(DateTimeOffset.UtcNow));

        Assert.Null(await store.TakeAsync(DateTimeOffset.UtcNow));
    }

    private static async Task<TestService> StartAsync(SmallDisk disk)
    {
        var service = await TestService.StartAsync(folder: disk.File("data"));
        service.Generator.Bytes = (_, _) => new byte[1000 * Kilobyte];
        return service;
    }

    private static async Task<string> CreateAsync(TestService service)
    {
        using var response = await service.Http.PostAsJsonAsync("/v1/videos", new { prompt = "a" });
        var body = await response.Content.ReadAsStringAsync();
        Assert.True(response.IsSuccessStatusCode, body);
        return TestService.Json(body).GetProperty("id").GetString()!;
    }

    private static VideoJob Job() => new()
    {
        Id = VideoJobId.New(),
        Owner = "local",
        Request = new VideoJobRequest { Prompt = new string('a', 4000), Model = "fake", Seed = 1 },
        CreatedAt = DateTimeOffset.UtcNow,
    };

    private static void Fill(SmallDisk disk, int left)
    {
        using var filler = File.Create(disk.File("filler"));
        filler.Write(new byte[disk.Free - left]);
    }

    // What there is of videos and images.
    private static string[] Files(SmallDisk disk) =>
        Directory.GetFiles(Path.Combine(disk.Path, "data", "videos"), "*", new EnumerationOptions
        {
            RecurseSubdirectories = true, AttributesToSkip = 0,
        });
}
