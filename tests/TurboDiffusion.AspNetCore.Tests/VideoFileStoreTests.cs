using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using Amazon.Runtime;
using Amazon.S3;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TurboDiffusion.AspNetCore.Files;
using TurboDiffusion.AspNetCore.Jobs;
using TurboDiffusion.AspNetCore.S3;
using TurboDiffusion.Extensions.Tests;
using TurboDiffusion.Runtime;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>What every store of videos does.</summary>
public abstract class VideoFileStoreConformance
{
    private static readonly byte[] Content = [.. Enumerable.Range(0, 100_000).Select(i => (byte)(i * 7 + i / 251))];

    private protected abstract IVideoFileStore Store { get; }

    [Fact]
    public async Task A_file_is_read_as_it_was_stored_from_anywhere()
    {
        var id = VideoJobId.New();
        await Store.SaveAsync(id, "video1.mp4", Content);
        await using var stream = await Store.OpenAsync(id, "video1.mp4");
        Assert.Equal(Content.Length, stream!.Length);
        foreach (var (from, count) in ((int, int)[])[(0, 10), (10, 1000), (5, 70_000), (99_990, 10), (0, Content.Length)])
        {
            stream.Position = from;
            var read = new byte[count];
            await stream.ReadExactlyAsync(read);
            Assert.Equal(Content[from..(from + count)], read);
        }

        Assert.Equal(0, await stream.ReadAsync(new byte[1]));
    }

    [Fact]
    public async Task A_file_of_the_same_name_is_replaced_and_what_is_not_there_is_null()
    {
        var id = VideoJobId.New();
        Assert.Null(await Store.OpenAsync(id, "video1.mp4"));
        await Store.SaveAsync(id, "video1.mp4", Content);
        await Store.SaveAsync(id, "video1.mp4", new byte[] { 1, 2 });
        await using var stream = await Store.OpenAsync(id, "video1.mp4");
        Assert.Equal(2, stream!.Length);
        Assert.Null(await Store.OpenAsync(id, "video2.mp4"));
    }

    [Fact]
    public async Task Jobs_are_listed_and_deleted_with_all_their_files_and_no_others()
    {
        string[] ids = [.. Enumerable.Range(0, 8).Select(_ => VideoJobId.New())];
        foreach (var id in ids)
        {
            foreach (var name in (string[])["start.png", "video1.mp4", "video2.mp4", "thumbnail2.webp", "spritesheet2.webp"])
                await Store.SaveAsync(id, name, new byte[] { 1 });
        }

        Assert.Equal(ids.Order(), (await Store.ListJobsAsync()).Order());
        await Store.DeleteAsync(ids[0]);
        await Store.DeleteAsync(ids[0]);
        Assert.Equal(ids[1..].Order(), (await Store.ListJobsAsync()).Order());
        Assert.Null(await Store.OpenAsync(ids[0], "video1.mp4"));
        await using var other = await Store.OpenAsync(ids[1], "spritesheet2.webp");
        Assert.NotNull(other);
    }

    [Fact]
    public async Task Results_of_early_runs_are_deleted_and_nothing_else()
    {
        var (id, other) = (VideoJobId.New(), VideoJobId.New());
        await Store.DeleteRunsAsync(id, 3);
        Assert.Empty(await Store.ListAsync(id));
        var image = VideoFileNames.StartImage("image/png", new byte[] { 1 });
        string[] old = ["video1.mp4", "video2.webm", "thumbnail1.webp", "spritesheet2.webp"],
            kept = [image, "video3.mp4", "video10.mp4", "thumbnail3.webp"];
        foreach (var name in old.Concat(kept))
        {
            await Store.SaveAsync(id, name, new byte[] { 1 });
            await Store.SaveAsync(other, name, new byte[] { 1 });
        }

        await Store.DeleteRunsAsync(id, 3);
        Assert.Equal(kept.Order(), (await Store.ListAsync(id)).Order());
        Assert.Equal(old.Concat(kept).Order(), (await Store.ListAsync(other)).Order());
    }

    [Theory]
    [InlineData("../../etc", "video1.mp4")]
    [InlineData(null, "../video1.mp4")]
    [InlineData(null, "/etc/passwd")]
    public async Task Names_that_are_none_are_refused(string? id, string name) =>
        await Assert.ThrowsAsync<ArgumentException>(() => Store.SaveAsync(id ?? VideoJobId.New(), name, new byte[1]));
}

/// <summary>The store in a folder.</summary>
public sealed class FolderVideoFileStoreTests : VideoFileStoreConformance, IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("turbodiffusion-store-").FullName;

    private protected override IVideoFileStore Store => new FolderVideoFileStore(_folder);

    [Fact]
    public async Task What_a_killed_process_left_half_written_is_removed_by_the_next()
    {
        var id = VideoJobId.New();
        await Store.SaveAsync(id, "start.png", new byte[] { 1 });
        // By another name of the folder, as another process would: each looks once.
        File.WriteAllText(Path.Combine(_folder, id, ".turbodiffusion-0.partial"), "half");
        _ = new FolderVideoFileStore(Path.Combine(_folder, id, "..", "..", Path.GetFileName(_folder)));
        OutputFolder.Sweep(Path.Combine(_folder, id) + "/.");
        Assert.Equal(["start.png"], Directory.GetFileSystemEntries(Path.Combine(_folder, id)).Select(Path.GetFileName));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}

/// <summary>The store in a bucket, and a service on it.</summary>
public sealed class S3VideoFileStoreTests : VideoFileStoreConformance, IAsyncLifetime
{
    private S3Server _server = null!;
    private AmazonS3Client _client = null!;

    private protected override IVideoFileStore Store => new S3VideoFileStore(_client, "bucket", "videos/");

    public async ValueTask InitializeAsync()
    {
        _server = await S3Server.StartAsync();
        _client = S3VideoFilesServiceCollectionExtensions.Client(
            new S3VideoFileOptions { ServiceUrl = _server.Address }, new BasicAWSCredentials("key", "secret"));
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task A_service_keeps_its_videos_there()
    {
        await using var service = await StartAsync();
        var image = FakeVideoGenerator.Picture(32, 32, 1);
        var id = (await OpenAIConformanceTests.CreateAsync(service.Videos, image, ("prompt", "a")))
            .GetProperty("id").GetString()!;
        var video = await service.EndOfAsync(id);
        Assert.True(video.GetProperty("status").GetString() == "completed", video.GetRawText());
        Assert.Equal(["spritesheet1.webp", VideoFileNames.StartImage("image/png", image), "thumbnail1.webp", "video1.mp4"],
            _server.Objects.Keys.Select(key => key.Split($"bucket/videos/{id}/")[1]).Order());

        var whole = await service.Http.GetByteArrayAsync($"/v1/videos/{id}/content");
        Assert.Equal(_server.Objects[$"bucket/videos/{id}/video1.mp4"], whole);
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/v1/videos/{id}/content");
        request.Headers.Range = new RangeHeaderValue(3, 8);
        using var part = await service.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.PartialContent, part.StatusCode);
        Assert.Equal(whole[3..9], await part.Content.ReadAsByteArrayAsync());

        Assert.True((await service.Http.DeleteAsync($"/v1/videos/{id}")).IsSuccessStatusCode);
        Assert.Empty(_server.Objects);
    }

    [Fact]
    public async Task What_others_put_into_the_folder_of_a_job_goes_with_it_and_is_no_file_of_it()
    {
        var id = VideoJobId.New();
        await Store.SaveAsync(id, "video1.mp4", new byte[] { 1 });
        _server.Objects[$"bucket/videos/{id}/Some Note.txt"] = [1];
        Assert.Equal(["video1.mp4"], await Store.ListAsync(id));
        await Store.DeleteRunsAsync(id, 2);
        Assert.Single(_server.Objects);
        await Store.DeleteAsync(id);
        Assert.Empty(_server.Objects);
    }

    [Fact]
    public async Task While_the_store_is_down_requests_fail_and_jobs_end_in_an_error()
    {
        await using var service = await StartAsync();
        var id = await CreateAsync(service);
        await service.EndOfAsync(id);
        _server.IsDown = true;
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await service.Http.GetAsync($"/v1/videos/{id}/content")).StatusCode);
        var lost = await service.EndOfAsync(await CreateAsync(service));
        Assert.Equal("server_error", lost.GetProperty("error").GetProperty("code").GetString());
        _server.IsDown = false;
        Assert.Equal(HttpStatusCode.OK, (await service.Http.GetAsync($"/v1/videos/{id}/content")).StatusCode);
    }

    [Theory]
    [InlineData(507, "XMinioStorageFull")]
    [InlineData(403, "QuotaExceeded")]
    [InlineData(403, "AccessDenied")]
    [InlineData(404, "NoSuchBucket")]
    public async Task A_store_that_takes_nothing_is_told_and_keeps_nothing(int status, string code)
    {
        using var log = new LogCollector(LogLevel.Error);
        await using var service = await StartAsync(log);
        (_server.RefusedKeys, _server.Refusal) = ("", (status, code));
        var id = await CreateAsync(service);
        var error = (await service.EndOfAsync(id)).GetProperty("error");
        Assert.Equal("server_error", error.GetProperty("code").GetString());
        Assert.Contains("(object store)", error.GetProperty("message").GetString());
        Assert.Contains(log.Entries, entry => entry.Message.Contains(id, StringComparison.Ordinal)
            && entry.Exception!.Message.Contains($"The object store did not take video1.mp4: {status} {code}", StringComparison.Ordinal));
        var image = $"data:image/png;base64,{Convert.ToBase64String(FakeVideoGenerator.Picture(32, 32, 1))}";
        using var refused = await service.Http.PostAsJsonAsync("/v1/videos", new { prompt = "a", input_reference = image });
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.NotNull(refused.Headers.RetryAfter);
        Assert.Empty(_server.Objects);
        _server.RefusedKeys = null;
        Assert.Equal("completed", (await service.EndOfAsync(await CreateAsync(service))).GetProperty("status").GetString());
    }

    [Fact]
    public async Task A_video_without_room_for_its_pictures_is_a_video()
    {
        await using var service = await StartAsync();
        (_server.RefusedKeys, _server.Refusal) = (".webp", (507, "XMinioStorageFull"));
        var id = await CreateAsync(service);
        Assert.Equal("completed", (await service.EndOfAsync(id)).GetProperty("status").GetString());
        Assert.Equal([$"bucket/videos/{id}/video1.mp4"], _server.Objects.Keys);
        Assert.Equal(HttpStatusCode.NotFound, (await service.Http.GetAsync($"/v1/videos/{id}/content?variant=thumbnail")).StatusCode);
    }

    [Fact]
    public async Task A_service_starts_while_the_store_is_down()
    {
        _server.IsDown = true;
        await using var service = await StartAsync();
        Assert.Equal("failed", (await service.EndOfAsync(await CreateAsync(service))).GetProperty("status").GetString());
        _server.IsDown = false;
        Assert.Equal("completed", (await service.EndOfAsync(await CreateAsync(service))).GetProperty("status").GetString());
    }

    [Theory]
    [InlineData(null, null, "Bucket is empty")]
    [InlineData("bucket", "localhost:9000", "ServiceUrl is no address")]
    public async Task Options_that_cannot_be_are_refused_at_the_start(string? bucket, string? address, string message)
    {
        var error = await Assert.ThrowsAsync<OptionsValidationException>(() => TestService.StartAsync(services: services =>
            services.AddS3VideoFiles(options => (options.Bucket, options.ServiceUrl) = (bucket, address))));
        Assert.Contains(message, error.Message);
    }

    private static async Task<string> CreateAsync(TestService service) =>
        (await OpenAIConformanceTests.CreateAsync(service.Videos, ("prompt", "a"))).GetProperty("id").GetString()!;

    private Task<TestService> StartAsync(LogCollector? log = null) => TestService.StartAsync(services: services =>
    {
        services.AddSingleton(Store);
        if (log is not null) services.AddLogging(logging => logging.AddProvider(log));
    });
}
