using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using TurboDiffusion.AspNetCore.Files;
using TurboDiffusion.AspNetCore.Jobs;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>Jobs and videos outlive the process, and go when their time has come.</summary>
public sealed class JobSurvivalTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("turbodiffusion-jobs-").FullName;

    [Fact]
    public async Task What_waits_what_runs_and_what_is_finished_outlives_an_orderly_stop()
    {
        string finished, running, waiting;
        await using (var service = await TestService.StartAsync(folder: _folder))
        {
            finished = await CreateAsync(service, "finished");
            await service.EndOfAsync(finished);
            service.Generator.Hold();
            running = await CreateAsync(service, "running");
            waiting = await CreateAsync(service, "waiting");
            await TestService.UntilAsync(() => service.Generator.Calls.Count == 2);
        }

        await using var next = await TestService.StartAsync(folder: _folder);
        Assert.Equal("completed", (await next.GetAsync($"/v1/videos/{finished}")).GetProperty("status").GetString());
        Assert.Equal(HttpStatusCode.OK, (await next.Http.GetAsync($"/v1/videos/{finished}/content")).StatusCode);
        foreach (var id in (string[])[running, waiting])
            Assert.Equal("completed", (await next.EndOfAsync(id)).GetProperty("status").GetString());

        Assert.Equal(["running", "waiting"], next.Generator.Calls.Select(call => call.Request.Prompt));
    }

    [Fact]
    public async Task A_job_whose_process_died_runs_again_with_its_seed_but_not_for_ever()
    {
        var job = Job() with { Request = new VideoJobRequest { Prompt = "interrupted", Model = "fake", Seed = 5 } };
        using (var store = Store())
        {
            await store.AddAsync(job, 10, 10);
            await store.AddAsync(Job() with { Id = VideoJobId.New(), Attempts = 2 }, 10, 10);
            // Taken and never ended, as by a process that was killed.
            await store.TakeAsync(DateTimeOffset.UtcNow);
            await store.TakeAsync(DateTimeOffset.UtcNow);
        }

        await using var service = await TestService.StartAsync(folder: _folder);
        var jobs = service.Services.GetRequiredService<IVideoJobs>();
        var page = await jobs.ListAsync("local", 10);
        Assert.Equal("interrupted", page.Jobs[0].Error?.Code);
        Assert.Equal("completed", (await service.EndOfAsync(job.Id)).GetProperty("status").GetString());
        Assert.Equal(2, (await jobs.FindAsync("local", job.Id))!.Attempts);
        Assert.Equal(FakeVideoGenerator.Video("interrupted", 5), await service.Http.GetByteArrayAsync($"/v1/videos/{job.Id}/content"));
    }

    [Fact]
    public async Task Files_without_a_job_are_deleted_at_the_start()
    {
        var files = new FolderVideoFileStore(Path.Combine(_folder, "videos"));
        await files.SaveAsync(VideoJobId.New(), VideoFileNames.Thumbnail(1), new byte[] { 1 });
        await using var service = await TestService.StartAsync(folder: _folder);
        Assert.Empty(await files.ListJobsAsync());
    }

    [Fact]
    public async Task A_second_process_on_the_same_folder_is_refused()
    {
        using var store = Store();
        var error = Assert.Throws<EnvironmentException>(() => Store().Dispose());
        Assert.Contains("in use by another process", error.Message);
        await store.AddAsync(Job(), 10, 10);
    }

    [Fact]
    public async Task A_damaged_database_and_one_of_another_version_are_refused()
    {
        File.WriteAllText(Path.Combine(_folder, "jobs.db"), "this is no database, but long enough to look like one");
        Assert.Contains("cannot be opened", Assert.Throws<EnvironmentException>(() => Store().Dispose()).Message);
        File.Delete(Path.Combine(_folder, "jobs.db"));
        using (var connection = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={Path.Combine(_folder, "jobs.db")};Pooling=false"))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "PRAGMA user_version = 99";
            command.ExecuteNonQuery();
        }

        Assert.Contains("version 99", Assert.Throws<EnvironmentException>(() => Store().Dispose()).Message);
        await Task.CompletedTask;
    }

    [Fact]
    public async Task Ended_jobs_go_after_their_time_and_the_oldest_beyond_the_quota()
    {
        using var store = Store();
        var now = DateTimeOffset.UnixEpoch;
        var ids = new List<string>();
        for (var i = 0; i < 4; i++)
        {
            var job = Job() with
            {
                Id = VideoJobId.New(), Status = VideoJobStatus.Completed, ExpiresAt = now.AddDays(i == 3 ? 1 : 10),
                Video = new("video.mp4", 100, null),
            };
            ids.Add(job.Id);
            await store.AddAsync(job, 10, 10);
        }

        var waiting = Job() with { Id = VideoJobId.New() };
        await store.AddAsync(waiting, 10, 10);
        Assert.Empty(await store.ListDisposableAsync(now, 400));
        Assert.Equal([ids[3]], await store.ListDisposableAsync(now.AddDays(2), 400));
        Assert.Equal(ids[..2], await store.ListDisposableAsync(now, 299));
        Assert.Equal(ids, await store.ListDisposableAsync(now.AddDays(20), 400));
    }

    [Fact]
    public async Task A_hundred_thousand_jobs_wait_and_no_owner_holds_up_another()
    {
        const int Jobs = 100_000;
        using var store = new SqliteVideoJobStore(path: null);
        var ids = new List<string>();
        for (var i = 0; i < Jobs; i++)
        {
            // One owner has nearly all of them.
            var job = Job() with { Id = VideoJobId.New(), Owner = i < Jobs - 2 ? "many" : $"few{i}" };
            ids.Add(job.Id);
            await store.AddAsync(job, Jobs, Jobs);
        }

        var refused = await Assert.ThrowsAsync<VideoJobRefusedException>(
            () => store.AddAsync(Job() with { Id = VideoJobId.New() }, Jobs, 1));
        Assert.Equal(VideoJobRefusal.QueueFull, refused.Refusal);
        Assert.Equal(Jobs - 2 + 2, await store.QueuePositionAsync(ids[Jobs - 3]));
        var now = DateTimeOffset.UtcNow;
        var first = (await store.TakeAsync(now))!;
        Assert.Equal([ids[0], ids[^2], ids[^1], ids[1]],
            [first.Id, (await store.TakeAsync(now))!.Id, (await store.TakeAsync(now))!.Id, (await store.TakeAsync(now))!.Id]);
        await store.UpdateAsync(first with { Status = VideoJobStatus.Queued });
        Assert.Equal(1, await store.QueuePositionAsync(ids[0]));
        await store.RemoveAsync(ids[0]);
        Assert.Equal(ids[2], (await store.TakeAsync(now))!.Id);
    }

    [Fact]
    public async Task The_service_deletes_what_has_expired()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var service = await TestService.StartAsync(
            options => options.Retention = TimeSpan.FromHours(1), _folder, services => services.AddSingleton<TimeProvider>(time));
        var id = await CreateAsync(service, "short-lived");
        await service.EndOfAsync(id);
        Assert.Single(Directory.GetDirectories(Path.Combine(_folder, "videos")));

        time.Advance(TimeSpan.FromMinutes(61));
        await TestService.UntilAsync(() => Directory.GetDirectories(Path.Combine(_folder, "videos")).Length == 0);
        Assert.Equal(HttpStatusCode.NotFound, (await service.Http.GetAsync($"/v1/videos/{id}")).StatusCode);
    }

    [Theory]
    [InlineData("../../etc/passwd")]
    [InlineData("video_../etc")]
    [InlineData("video_0123456789abcdef0123456789abcdef/..")]
    [InlineData("")]
    public async Task No_text_but_a_name_becomes_a_path(string text)
    {
        var files = new FolderVideoFileStore(_folder);
        await Assert.ThrowsAsync<ArgumentException>(() => files.OpenAsync(text, "video.mp4"));
        await Assert.ThrowsAsync<ArgumentException>(() => files.DeleteAsync(text));
        await Assert.ThrowsAsync<ArgumentException>(() => files.OpenAsync(VideoJobId.New(), text));
        await Assert.ThrowsAsync<ArgumentException>(() => files.SaveAsync(VideoJobId.New(), text, new byte[] { 1 }));
    }

    [Fact]
    public void Ids_do_not_repeat()
    {
        Assert.Equal(10_000, Enumerable.Range(0, 10_000).Select(_ => VideoJobId.New()).Where(VideoJobId.IsValid).Distinct().Count());
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private SqliteVideoJobStore Store() => new(Path.Combine(_folder, "jobs.db"));

    private static VideoJob Job() => new()
    {
        Id = VideoJobId.New(),
        Owner = "local",
        Request = new VideoJobRequest { Prompt = "a cat", Model = "fake", Seed = 1 },
        CreatedAt = DateTimeOffset.UtcNow,
    };

    private static async Task<string> CreateAsync(TestService service, string prompt) =>
        (await OpenAIConformanceTests.CreateAsync(service.Videos, ("prompt", prompt))).GetProperty("id").GetString()!;
}
