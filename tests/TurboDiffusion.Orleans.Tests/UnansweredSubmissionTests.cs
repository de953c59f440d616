using System.Net;
using System.Net.Http.Json;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Configuration;
using TurboDiffusion.AspNetCore.Files;
using TurboDiffusion.AspNetCore.Jobs;
using TurboDiffusion.AspNetCore.Tests;
using TurboDiffusion.Orleans.Grains;
using Xunit;

namespace TurboDiffusion.Orleans.Tests;

/// <summary>The image of a submission that is not answered stays if its job is there, and goes if it is not.</summary>
public sealed class UnansweredSubmissionTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("turbodiffusion-unanswered-").FullName;
    private readonly Broken _broken = new();
    private readonly string _died = VideoJobId.New();
    private TestService _service = null!;

    private string[] Stored => [.. Directory.GetDirectories(Path.Combine(_folder, "videos")).Select(path => Path.GetFileName(path))];

    public async ValueTask InitializeAsync()
    {
        // Of a process that died before it had asked for the job.
        await new FolderVideoFileStore(Path.Combine(_folder, "videos")).SaveAsync(_died, "start.png", new byte[] { 1 });
        _service = await TestService.StartAsync(folder: _folder, services: services =>
        {
            services.AddSingleton<IIncomingGrainCallFilter>(_broken);
            services.Configure<SiloMessagingOptions>(messaging => messaging.ResponseTimeout = TimeSpan.FromSeconds(2));
        });
        await TestService.UntilAsync(() => _service.GetAsync("/v1/models").Result.GetProperty("data").GetArrayLength() > 0);
    }

    public async ValueTask DisposeAsync()
    {
        await _service.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task What_nobody_answers_is_asked_about_until_it_is_known()
    {
        // While no job answers, nothing is deleted.
        _broken.Clear = true;
        var accepted = await IdAsync(await SubmitAsync());

        // It is refused before it has happened; it happens, and the answer is lost; and the client goes away before either.
        _broken.Before = true;
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await SubmitAsync()).StatusCode);
        using (var left = new CancellationTokenSource(TimeSpan.FromMilliseconds(500)))
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => SubmitAsync(left.Token));

        (_broken.Before, _broken.After) = (false, true);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await SubmitAsync()).StatusCode);
        _broken.After = false;
        await TestService.UntilAsync(() => _broken.Refused > 0);
        Assert.Equal(5, Stored.Length);

        _broken.Clear = false;
        await TestService.UntilAsync(() => Stored.Length == 2);
        string[] listed = [.. (await _service.GetAsync("/v1/videos")).GetProperty("data").EnumerateArray()
            .Select(video => video.GetProperty("id").GetString()!)];
        Assert.Equal(listed.Order(), Stored.Order());
        Assert.Contains(accepted, listed);
        foreach (var id in listed)
            Assert.Equal("completed", (await _service.EndOfAsync(id)).GetProperty("status").GetString());
    }

    [Fact]
    public async Task A_job_that_was_given_up_does_not_come_any_more_and_one_that_is_there_stays()
    {
        var grains = _service.Services.GetRequiredService<IGrainFactory>();
        var files = _service.Services.GetRequiredService<IVideoFileStore>();
        var job = new VideoJobSubmission("owner", new VideoJobRequest { Prompt = "a" }).Accept("other", DateTimeOffset.UtcNow);
        var late = job with { Id = VideoJobId.New() };
        foreach (var id in (string[])[job.Id, late.Id])
            await files.SaveAsync(id, "start.png", new byte[] { 1 });

        await grains.GetGrain<IVideoJobGrain>(job.Id).CreateAsync(job);
        Assert.False(await grains.GetGrain<IVideoJobGrain>(job.Id).ClearAsync());
        Assert.True(await grains.GetGrain<IVideoJobGrain>(late.Id).ClearAsync());
        await Assert.ThrowsAsync<InvalidOperationException>(() => grains.GetGrain<IVideoJobGrain>(late.Id).CreateAsync(late));
        Assert.Contains(job.Id, Stored);
        Assert.DoesNotContain(late.Id, Stored);
    }

    private async Task<HttpResponseMessage> SubmitAsync(CancellationToken cancellationToken = default)
    {
        var image = $"data:image/png;base64,{Convert.ToBase64String(FakeVideoGenerator.Picture(32, 32, 1))}";
        return await _service.Http.PostAsJsonAsync("/v1/videos", new { prompt = "a cat", input_reference = image }, cancellationToken);
    }

    private static async Task<string> IdAsync(HttpResponseMessage answer) =>
        TestService.Json(await answer.Content.ReadAsStringAsync()).GetProperty("id").GetString()!;

    /// <summary>Calls that fail, as those of a cluster do whose Redis is away.</summary>
    private sealed class Broken : IIncomingGrainCallFilter
    {
        private int _refused;

        /// <summary>Submissions fail before anything has happened.</summary>
        public volatile bool Before;

        /// <summary>They happen, and their answers are lost.</summary>
        public volatile bool After;

        /// <summary>No job says whether it is there.</summary>
        public volatile bool Clear;

        /// <summary>How often one was asked.</summary>
        public int Refused => Volatile.Read(ref _refused);

        public async Task Invoke(IIncomingGrainCallContext context)
        {
            var isSubmission = context.MethodName == nameof(IOwnerGrain.SubmitAsync);
            var isQuestion = context.MethodName == nameof(IVideoJobGrain.ClearAsync);
            if (isQuestion && Clear)
                Interlocked.Increment(ref _refused);

            if ((isSubmission && Before) || (isQuestion && Clear))
                throw new IOException("The store does not answer.");

            await context.Invoke();
            if (isSubmission && After)
                throw new IOException("The answer is lost.");
        }
    }
}
