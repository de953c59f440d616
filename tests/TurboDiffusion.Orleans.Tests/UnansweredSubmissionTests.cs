using System.Diagnostics;
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
    private readonly string _died = VideoJobId.New(), _lost = VideoJobId.New();
    private TestService _service = null!;

    private string[] Stored => [.. Directory.GetDirectories(Path.Combine(_folder, "videos")).Select(path => Path.GetFileName(path))];

    public async ValueTask InitializeAsync()
    {
        // Of a process that died before it had asked for the job.
        var files = new FolderVideoFileStore(Path.Combine(_folder, "videos"));
        await files.SaveAsync(_died, "start.png", new byte[] { 1 });
        // Of a job that the cluster has lost.
        await files.SaveAsync(_lost, "video1.mp4", new byte[] { 1 });
        _service = await TestService.StartAsync(folder: _folder, services: services =>
        {
            services.AddSingleton<IIncomingGrainCallFilter>(_broken);
            // Calls are given up early, so that the test is short.
            services.Configure<SiloMessagingOptions>(messaging => messaging.ResponseTimeout = TimeSpan.FromSeconds(2));
        });
        await UntilAsync(async () => (await _service.GetAsync("/v1/models")).GetProperty("data").GetArrayLength() > 0);
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
        var accepted = "";
        await UntilAsync(async () =>
        {
            using var answer = await SubmitAsync();
            return answer.IsSuccessStatusCode && (accepted = await IdAsync(answer)).Length > 0;
        });

        // It is refused before it has happened; it happens, and the answer is lost; and the client goes away before either.
        _broken.Before = true;
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await SubmitAsync()).StatusCode);
        using (var left = new CancellationTokenSource(TimeSpan.FromMilliseconds(500)))
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => SubmitAsync(left.Token));

        (_broken.Before, _broken.After) = (false, true);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await SubmitAsync()).StatusCode);
        _broken.After = false;
        await TestService.UntilAsync(() => _broken.Refused > 0);
        Assert.True(Stored.Length >= 6);

        _broken.Clear = false;
        string[] jobs = [];
        await UntilAsync(async () =>
        {
            jobs = [.. (await _service.GetAsync("/v1/videos")).GetProperty("data").EnumerateArray()
                .Select(video => video.GetProperty("id").GetString()!)];
            return Stored.Order().SequenceEqual(jobs.Append(_lost).Order());
        });
        Assert.Contains(accepted, jobs);
        Assert.True(jobs.Length >= 2);
        Assert.All(jobs, id => Assert.Single(Directory.GetFiles(Path.Combine(_folder, "videos", id), "start-*.png")));
    }

    private async Task<HttpResponseMessage> SubmitAsync(CancellationToken cancellationToken = default)
    {
        var image = $"data:image/png;base64,{Convert.ToBase64String(FakeVideoGenerator.Picture(32, 32, 1))}";
        return await _service.Http.PostAsJsonAsync("/v1/videos", new { prompt = "a cat", input_reference = image }, cancellationToken);
    }

    /// <summary>Asks until something is so. With so little patience as here, a busy machine does not always answer.</summary>
    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        for (var watch = Stopwatch.StartNew(); watch.Elapsed < TimeSpan.FromMinutes(2); await Task.Delay(200))
        {
            try
            {
                if (await condition())
                    return;
            }
            catch (HttpRequestException)
            {
            }
        }

        Assert.Fail("It did not become so.");
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
