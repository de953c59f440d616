using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Core.Internal;
using TurboDiffusion.AspNetCore.Files;
using TurboDiffusion.AspNetCore.Jobs;
using TurboDiffusion.AspNetCore.Tests;
using TurboDiffusion.Orleans.Grains;
using TurboDiffusion.Tests.Media;
using Xunit;

namespace TurboDiffusion.Orleans.Tests;

/// <summary>What the grains promise each other and the workers. The model used here has no worker but the tests.</summary>
public sealed class ClusterTests : IAsyncLifetime
{
    private const string Model = "other";

    private readonly SettableClock _clock = new();
    private TestService _service = null!;
    private IGrainFactory _grains = null!;

    public async ValueTask InitializeAsync()
    {
        _service = await TestService.StartAsync(
            options => (options.MaxJobsPerKey, options.MaxQueuedJobs, options.MaxAttempts) = (5, 8, 2),
            services: services => services.AddSingleton<TimeProvider>(_clock));
        _grains = _service.Services.GetRequiredService<IGrainFactory>();
    }

    public ValueTask DisposeAsync() => _service.DisposeAsync();

    [Fact]
    public async Task A_worker_without_room_fails_the_job_and_makes_the_next_one()
    {
        using var disk = new SmallDisk(16 << 10);
        await using var service = await TestService.StartAsync(folder: disk.File("data"));
        service.Generator.Bytes = (_, _) => new byte[1 << 20];
        var filler = disk.File("filler");
        await File.WriteAllBytesAsync(filler, new byte[disk.Free - (400 << 10)]);
        var failed = await service.EndOfAsync(await CreateVideoAsync(service));
        Assert.Contains("(disk)", failed.GetProperty("error").GetProperty("message").GetString());
        Assert.DoesNotContain(disk.Content, entry => entry.Contains(".mp4", StringComparison.Ordinal)
            || entry.Contains(".partial", StringComparison.Ordinal));

        File.Delete(filler);
        var id = await CreateVideoAsync(service);
        Assert.Equal("completed", (await service.EndOfAsync(id)).GetProperty("status").GetString());
        Assert.Equal(1 << 20, (await service.Http.GetByteArrayAsync($"/v1/videos/{id}/content")).Length);
    }

    [Fact]
    public async Task A_worker_that_is_silent_loses_its_job_and_its_late_result()
    {
        var (grain, _) = await CreateAsync();
        var first = (await grain.BeginAsync("first"))!;
        Assert.Equal(first.Attempts, (await grain.BeginAsync("first"))!.Attempts);
        Assert.Null(await grain.BeginAsync("second"));

        // The lease is three seconds, and nobody renews it.
        VideoJob? second = null;
        await UntilAsync(async () => (second = await grain.BeginAsync("second")) is not null);
        Assert.Equal((1, 2), (first.Attempts, second!.Attempts));
        Assert.False(await grain.KeepAsync(first.Attempts));
        Assert.Equal(Publication.Superseded, await grain.EndAsync(Completed(first)));
        Assert.Null((await grain.FindAsync())!.Video);
        for (var i = 0; i < 2; i++)
            Assert.Equal(Publication.Accepted, await grain.EndAsync(Completed(second)));

        Assert.Equal(Publication.Superseded, await grain.EndAsync(Completed(first)));
        Assert.Equal("video2.mp4", (await grain.FindAsync())!.Video!.File);
    }

    [Fact]
    public async Task A_late_result_counts_while_nobody_has_begun_again_and_a_job_is_not_tried_for_ever()
    {
        var (late, _) = await CreateAsync();
        var (lost, job) = await CreateAsync();
        var files = _service.Services.GetRequiredService<IVideoFileStore>();
        await files.SaveAsync(job.Id, "video1.mp4", new byte[] { 1 });
        var run = (await late.BeginAsync("run"))!;
        var first = (await lost.BeginAsync("first"))!;
        await UntilAsync(async () => (await late.StandingAsync()).Waits);
        Assert.Equal(VideoJobStatus.Queued, (await late.FindAsync())!.Status);
        Assert.Equal(Publication.Accepted, await late.EndAsync(Completed(run)));

        await UntilAsync(async () => await lost.BeginAsync("second") is not null);
        await UntilAsync(async () => (await lost.StandingAsync()) == JobStanding.Done);
        Assert.Equal("interrupted", (await lost.FindAsync())!.Error!.Code);
        // What its runs had stored is nobody's; one that still ends is told so, and deletes its own.
        await UntilAsync(async () => await files.OpenAsync(job.Id, "video1.mp4") is null);
        Assert.Equal(Publication.Superseded, await lost.EndAsync(Completed(first)));
        Assert.Equal(Publication.Superseded, await lost.EndAsync(Completed(first with { Attempts = 2 })));
        Assert.Equal("interrupted", (await lost.FindAsync())!.Error!.Code);
    }

    [Fact]
    public async Task A_job_that_was_given_up_does_not_come_any_more_and_one_that_is_there_stays()
    {
        var files = _service.Services.GetRequiredService<IVideoFileStore>();
        var (there, job) = await CreateAsync();
        var late = Job();
        foreach (var id in (string[])[job.Id, late.Id])
            await files.SaveAsync(id, "start.png", new byte[] { 1 });

        Assert.False(await there.ClearAsync());
        Assert.True(await _grains.GetGrain<IVideoJobGrain>(late.Id).ClearAsync());
        await Assert.ThrowsAsync<InvalidOperationException>(() => _grains.GetGrain<IVideoJobGrain>(late.Id).CreateAsync(late));
        Assert.Equal([job.Id], await files.ListJobsAsync());
    }

    [Fact]
    public async Task A_kept_lease_does_not_end_and_a_released_job_waits_again()
    {
        var (grain, job) = await CreateAsync();
        var run = (await grain.BeginAsync("run"))!;
        // Longer than a lease: each call waits a third of one.
        for (var i = 0; i < 4; i++)
            Assert.True(await grain.KeepAsync(run.Attempts));

        Assert.NotNull((await grain.StandingAsync()).AskAgainAfter);
        await grain.ReleaseAsync(run.Attempts);
        Assert.Equal(VideoJobStatus.Queued, (await grain.FindAsync())!.Status);
        Assert.Equal(2, (await grain.BeginAsync("next"))!.Attempts);
        await grain.DeleteAsync();
        Assert.False(await grain.KeepAsync(2));
        Assert.Null(await grain.FindAsync());
        Assert.False(await grain.DeleteAsync());

        // Its files are its worker's until it has stopped.
        var files = _service.Services.GetRequiredService<IVideoFileStore>();
        await files.SaveAsync(job.Id, VideoFileNames.Thumbnail(2), new byte[] { 1 });
        Assert.Equal(Publication.Gone, await grain.EndAsync(Completed(run with { Attempts = 2 })));
        Assert.Null(await files.OpenAsync(job.Id, VideoFileNames.Thumbnail(2)));
    }

    /// <summary>The time of day, which jumps, decides nothing but what it is for: when videos expire.</summary>
    [Fact]
    public async Task Leases_and_queues_go_by_no_clock_that_is_set()
    {
        var queue = _grains.GetGrain<IModelQueueGrain>(Model);
        await CreateAndQueueAsync();
        var entry = (await queue.TakeAsync("worker", isResident: true))!;
        var grain = _grains.GetGrain<IVideoJobGrain>(entry.Id);
        var run = (await grain.BeginAsync("first"))!;
        _clock.Jump(TimeSpan.FromDays(1));
        Assert.True(await grain.KeepAsync(run.Attempts));
        Assert.Null(await grain.BeginAsync("second"));

        _clock.Jump(-TimeSpan.FromDays(30));
        Assert.True(await grain.KeepAsync(run.Attempts));
        // The worker is silent from now on: the job is back in the queue when the lease has ended.
        await UntilAsync(async () => (await queue.TakeAsync("worker", isResident: true))?.Id == entry.Id);
        Assert.Equal(2, (await grain.BeginAsync("second"))!.Attempts);
        Assert.InRange(await queue.TypicalDurationAsync(), TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10));
    }

    [Fact]
    public async Task What_is_stored_outlives_the_grains()
    {
        var owner = _grains.GetGrain<IOwnerGrain>(VideoCluster.KeyOf("owner"));
        var queue = _grains.GetGrain<IModelQueueGrain>(Model);
        var jobs = new List<VideoJob>();
        for (var i = 0; i < 3; i++)
            jobs.Add((await owner.SubmitAsync(Job() with { IdempotencyKey = $"key{i}" })).Job!);

        Assert.Equal(jobs[0].Id, (await queue.TakeAsync("worker", isResident: true))!.Id);
        await _grains.GetGrain<IVideoJobGrain>(jobs[0].Id).BeginAsync("run");
        foreach (var grain in (IAddressable[])[owner, queue, .. jobs.Select(job => _grains.GetGrain<IVideoJobGrain>(job.Id))])
            await grain.Cast<IGrainManagementExtension>().DeactivateOnIdle();

        // The first one runs: the new queue does not know that, and its job does.
        Assert.Equal(jobs.Select(job => job.Id), (await owner.ListAsync(10, null, ascending: true)).Ids);
        Assert.Equal(jobs[1].Id, (await owner.SubmitAsync(Job() with { IdempotencyKey = "key1" })).Job!.Id);
        Assert.Equal(jobs[0].Id, (await queue.TakeAsync("worker", isResident: true))!.Id);
        Assert.Null(await _grains.GetGrain<IVideoJobGrain>(jobs[0].Id).BeginAsync("other"));
        Assert.Equal(jobs[1].Id, (await queue.TakeAsync("worker", isResident: true))!.Id);
        // What was taken and not begun comes back.
        await UntilAsync(async () => (await queue.TakeAsync("worker", isResident: true))?.Id == jobs[1].Id);
    }

    [Fact]
    public async Task The_limits_of_the_queue_and_of_a_key_hold_and_the_same_key_gives_the_same_job()
    {
        var alice = _grains.GetGrain<IOwnerGrain>(VideoCluster.KeyOf("alice"));
        var bob = _grains.GetGrain<IOwnerGrain>(VideoCluster.KeyOf("bob"));
        var same = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => alice.SubmitAsync(Job() with { IdempotencyKey = "one" })));
        Assert.Single(same.Select(result => result.Job!.Id).Distinct());
        var results = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => alice.SubmitAsync(Job())));
        Assert.Equal(4, results.Count(result => result.Job is not null));
        Assert.All(results.Where(result => result.Job is null), result => Assert.Equal(VideoJobRefusal.OwnerQueueFull, result.Refusal));
        results = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => bob.SubmitAsync(Job() with { Owner = "bob" })));
        Assert.Equal(3, results.Count(result => result.Job is not null));
        Assert.All(results.Where(result => result.Job is null), result => Assert.Equal(VideoJobRefusal.QueueFull, result.Refusal));
        Assert.Equal(3, (await bob.ListAsync(10, null, ascending: false)).Ids.Count);

        var ids = (await alice.ListAsync(2, null, ascending: true)).Ids;
        Assert.True(await _grains.GetGrain<IVideoJobGrain>(ids[0]).DeleteAsync());
        Assert.NotNull((await bob.SubmitAsync(Job() with { Owner = "bob" })).Job);
    }

    [Fact]
    public async Task A_job_goes_to_the_worker_that_has_its_model_in_memory()
    {
        var queue = _grains.GetGrain<IModelQueueGrain>(Model);
        var cold = queue.TakeAsync("cold", isResident: false);
        var warm = queue.TakeAsync("warm", isResident: true);
        await Task.WhenAll(CreateAndQueueAsync(), CreateAndQueueAsync());
        Assert.NotNull(await warm);
        Assert.False(cold.IsCompleted);
        Assert.NotNull(await queue.TakeAsync("warm", isResident: true));
        // While the others are busy it is their turn after a while: the affinity is ten seconds, as long as they ask.
        await CreateAndQueueAsync();
        await queue.LeaveAsync("cold");
        Assert.Null(await cold);
        await UntilAsync(async () => await queue.TakeAsync("cold", isResident: false) is not null);
    }

    [Fact]
    public async Task Workers_and_models_are_known()
    {
        var registry = _grains.GetGrain<IRegistryGrain>(IRegistryGrain.Key);
        await UntilAsync(async () => (await registry.WorkersAsync()).Length == 1);
        await registry.AnnounceAsync(new WorkerInfo("gpu", ["large"], [], new Dictionary<string, long> { ["cuda:0"] = 80 }, 1));
        Assert.Equal(["fake", "large"], await registry.ModelsAsync());
        Assert.Equal(80, (await registry.WorkersAsync()).Single(worker => worker.Name == "gpu").Cards["cuda:0"]);
    }

    private static async Task<string> CreateVideoAsync(TestService service)
    {
        using var response = await service.Http.PostAsJsonAsync("/v1/videos", new { prompt = "a" });
        return (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString()!;
    }

    private async Task<(IVideoJobGrain Grain, VideoJob Job)> CreateAsync()
    {
        var job = Job();
        var grain = _grains.GetGrain<IVideoJobGrain>(job.Id);
        await grain.CreateAsync(job);
        return (grain, job);
    }

    private async Task CreateAndQueueAsync()
    {
        var (_, job) = await CreateAsync();
        Assert.True(await _grains.GetGrain<IModelQueueGrain>(Model).EnqueueAsync(new QueueEntry(job.Id, job.Owner), 10));
    }

    private static VideoJob Job() =>
        new VideoJobSubmission("owner", new VideoJobRequest { Prompt = "a cat" }).Accept(Model, DateTimeOffset.UtcNow);

    private static VideoJob Completed(VideoJob job) =>
        job.Completed(new StoredVideo($"video{job.Attempts}.mp4", 1, null), DateTimeOffset.UtcNow, TimeSpan.FromDays(1));

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        for (var i = 0; i < TestService.Patience; i++)
        {
            if (await condition())
                return;

            await Task.Delay(10);
        }

        Assert.Fail("It did not become so.");
    }
}
