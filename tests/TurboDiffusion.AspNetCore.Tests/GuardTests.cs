using System.ClientModel;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenAI.Videos;
using TurboDiffusion.AspNetCore.Jobs;
using TurboDiffusion.AspNetCore.Security;
using TurboDiffusion.Extensions.AI;
using TurboDiffusion.Extensions.Tests;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>Who and what is refused, with which words, and that nothing of it is left.</summary>
public sealed class GuardTests
{
    [Fact]
    public async Task Keys_let_in_and_keep_owners_apart()
    {
        var (alice, bob) = (ApiKey.New(), ApiKey.New());
        await using var service = await TestService.StartAsync(options =>
        {
            options.ApiKeys["alice"] = alice.Hash;
            options.ApiKeys["bob"] = bob.Hash;
        });
        var id = (await OpenAIConformanceTests.CreateAsync(service.Client(alice.Key), ("prompt", "hers"))).GetProperty("id").GetString()!;
        await OpenAIConformanceTests.PollAsync(service.Client(alice.Key), id);

        foreach (var path in (string[])[id, $"{id}/content", $"{id}/events"])
        {
            Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(service, HttpMethod.Get, path, bob.Key)).StatusCode);
            Assert.Equal(HttpStatusCode.Unauthorized, (await SendAsync(service, HttpMethod.Get, path, "td-wrong")).StatusCode);
            Assert.Equal(HttpStatusCode.Unauthorized, (await SendAsync(service, HttpMethod.Get, path, null)).StatusCode);
            Assert.Equal(HttpStatusCode.OK, (await SendAsync(service, HttpMethod.Get, path, alice.Key)).StatusCode);
        }

        Assert.Equal(HttpStatusCode.NotFound, (await SendAsync(service, HttpMethod.Delete, id, bob.Key)).StatusCode);
        var list = TestService.Json(await (await SendAsync(service, HttpMethod.Get, "", bob.Key)).Content.ReadAsStringAsync());
        Assert.Equal(0, list.GetProperty("data").GetArrayLength());
        await AssertErrorAsync(await SendAsync(service, HttpMethod.Get, id, "td-wrong"), 401, "invalid_api_key");
    }

    [Fact]
    public async Task Without_keys_other_hosts_other_pages_and_proxies_are_refused()
    {
        await using var service = await TestService.StartAsync();
        Assert.Equal(HttpStatusCode.OK, (await WithAsync(_ => { })).StatusCode);
        Assert.Equal(HttpStatusCode.OK,
            (await WithAsync(headers => headers.Add("Origin", service.Address.GetLeftPart(UriPartial.Authority)))).StatusCode);
        await AssertErrorAsync(await WithAsync(headers => headers.Host = "evil.example"), 401, "invalid_api_key");
        await AssertErrorAsync(await WithAsync(headers => headers.Add("Origin", "https://evil.example")), 401, "invalid_api_key");
        await AssertErrorAsync(await WithAsync(headers => headers.Add("Origin", "null")), 401, "invalid_api_key");
        await AssertErrorAsync(await WithAsync(headers => headers.Add("X-Forwarded-For", "203.0.113.9")), 401, "invalid_api_key");
        Assert.False((await WithAsync(headers => headers.Add("Origin", "https://evil.example"))).Headers.Contains(
            "Access-Control-Allow-Origin"));

        async Task<HttpResponseMessage> WithAsync(Action<HttpRequestHeaders> change)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/videos");
            change(request.Headers);
            return await service.Http.SendAsync(request);
        }
    }

    /// <summary>What is asked for is in the log of who wants it there: the level Trace of the generator's decorator.</summary>
    [Theory]
    [InlineData(LogLevel.Debug, false)]
    [InlineData(LogLevel.Trace, true)]
    public async Task Prompts_are_in_no_log_unless_they_are_asked_for(LogLevel level, bool isSaid)
    {
        const string Secret = "zanzibar";
        using var log = new LogCollector(level);
        using var fake = new FakeVideoGenerator();
        fake.Failure = prompt => prompt!.Contains("bad", StringComparison.Ordinal) ? new InvalidOperationException("It failed.") : null;
        await using var service = await TestService.StartAsync(inner: new LoggingVideoGenerator(fake, log),
            services: services => services.AddLogging(logging => logging.SetMinimumLevel(level).AddProvider(log)));
        foreach (var prompt in (string[])[$"a cat in {Secret}", $"a bad cat in {Secret}"])
        {
            var id = (await OpenAIConformanceTests.CreateAsync(service.Videos, ("prompt", prompt), ("negative_prompt", Secret)))
                .GetProperty("id").GetString()!;
            await service.EndOfAsync(id);
            Assert.Contains(prompt, await service.Http.GetStringAsync($"/v1/videos/{id}/events"));
        }

        foreach (var refused in (object[])[new { prompt = Secret, size = "0x0" }, new { prompt = Secret, seconds = Secret }])
            Assert.Equal(HttpStatusCode.BadRequest, (await service.Http.PostAsJsonAsync("/v1/videos", refused)).StatusCode);

        Assert.Contains(log.Entries, entry => entry.Exception?.Message == "It failed.");
        Assert.Equal(isSaid, log.Entries.Any(entry => $"{entry.Message} {entry.Exception}".Contains(Secret, StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_service_without_keys_says_so_when_it_starts(bool hasKeys)
    {
        using var log = new LogCollector(LogLevel.Warning);
        await using var service = await TestService.StartAsync(
            options => { if (hasKeys) options.ApiKeys["alice"] = ApiKey.New().Hash; },
            services: services => services.AddLogging(logging => logging.AddProvider(log)));
        Assert.Equal(!hasKeys, log.Text.Contains("There are no API keys", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("""{"prompt": ""}""", "prompt")]
    [InlineData("""{}""", "prompt")]
    [InlineData("""{"prompt": "a", "stepz": 3}""", "stepz")]
    [InlineData("""{"prompt": "a", "steps": "many"}""", "steps")]
    [InlineData("""{"prompt": "a", "steps": 100000}""", "steps")]
    [InlineData("""{"prompt": "a", "seed": -1}""", "seed")]
    [InlineData("""{"prompt": "a", "seconds": "NaN"}""", "seconds")]
    [InlineData("""{"prompt": "a", "size": "4x"}""", "size")]
    [InlineData("""{"prompt": "a", "size": "99999x99999"}""", "size")]
    [InlineData("""{"prompt": "a", "size": {"w": 3}}""", "size")]
    [InlineData("""{"prompt": "a", "input_reference": "/etc/passwd"}""", "input_reference")]
    [InlineData("""{"prompt": "a", "input_reference": "file:///etc/passwd"}""", "input_reference")]
    [InlineData("""{"prompt": "a", "input_reference": "http://127.0.0.1/cat.png"}""", "input_reference")]
    [InlineData("""{"prompt": "a", "input_reference": {"image_url": "file:///etc/passwd"}}""", "input_reference")]
    [InlineData("""{"prompt": "a", "input_reference": "data:image/png;base64,!!"}""", "input_reference")]
    [InlineData("""{"prompt": "a", "input_reference": "data:image/png;base64,aGVsbG8="}""", "input_reference")]
    [InlineData("""{"prompt": "a", "input_reference": "data:image/png;base64,"}""", "input_reference")]
    public async Task A_request_that_cannot_be_met_names_its_field(string body, string field)
    {
        await using var service = await TestService.StartAsync();
        using var response = await service.Http.PostAsync("/v1/videos", new StringContent(body, null, "application/json"));
        var error = TestService.Json(await response.Content.ReadAsStringAsync()).GetProperty("error");
        Assert.Equal((HttpStatusCode.BadRequest, field), (response.StatusCode, error.GetProperty("param").GetString()));
        Assert.Equal("invalid_request_error", error.GetProperty("type").GetString());
        Assert.Equal(0, (await service.GetAsync("/v1/videos")).GetProperty("data").GetArrayLength());
    }

    [Theory]
    [InlineData("text/plain", "hello", 415, "unsupported_media_type")]
    [InlineData("application/json", "{", 400, "invalid_json")]
    [InlineData("application/json", "[1]", 400, "invalid_json")]
    [InlineData("application/json", """{"prompt": {"a": {"b": {"c": {"d": 1}}}}}""", 400, "invalid_json")]
    [InlineData("application/json", """{"prompt": "\ud800"}""", 400, "invalid_json")]
    [InlineData("application/json", """{"prompt": "a", "\udc00": 1}""", 400, "invalid_json")]
    [InlineData("application/json", """{"prompt": "a", "input_reference": {"image_url": "data:image/png;base64,\ud800"}}""", 400,
        "invalid_json")]
    [InlineData("multipart/form-data", "no boundary", 400, "invalid_form")]
    public async Task A_body_of_another_kind_is_refused(string type, string body, int status, string code)
    {
        await using var service = await TestService.StartAsync();
        using var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        using var response = await service.Http.PostAsync("/v1/videos", content);
        await AssertErrorAsync(response, status, code);
    }

    [Theory]
    [InlineData("GET", "/v1/images")]
    [InlineData("PUT", "/v1/videos")]
    [InlineData("POST", "/v1/videos/video_0/content/more")]
    public async Task An_address_or_a_method_that_is_none_is_told_in_the_same_form(string method, string path)
    {
        await using var service = await TestService.StartAsync();
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        await AssertErrorAsync(await service.Http.SendAsync(request), 404, "unknown_url");
        // What is beside the API is the application's.
        Assert.Empty(await (await service.Http.GetAsync("/v2/videos")).Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Bytes_that_are_no_text_are_refused()
    {
        await using var service = await TestService.StartAsync();
        using var content = new ByteArrayContent([.. "{\"prompt\": \""u8, 0xff, 0xfe, .. "\"}"u8]);
        content.Headers.ContentType = MediaTypeHeaderValue.Parse("application/json");
        await AssertErrorAsync(await service.Http.PostAsync("/v1/videos", content), 400, "invalid_json");
    }

    [Fact]
    public async Task Long_prompts_large_images_and_unknown_models_are_refused()
    {
        await using var service = await TestService.StartAsync(options =>
            (options.MaxPromptLength, options.MaxImageBytes, options.MaxImagePixels) = (10, 2000, 400));
        await AssertErrorAsync(await service.Http.PostAsJsonAsync("/v1/videos", new { prompt = new string('x', 11) }), 400,
            "invalid_value");
        await AssertErrorAsync(await service.Http.PostAsJsonAsync("/v1/videos", new { prompt = "a", model = "sora-2" }), 404,
            "model_not_found");
        foreach (var image in (byte[][])[new byte[2001], FakeVideoGenerator.Picture(30, 30, 1)])
        {
            var error = await Assert.ThrowsAsync<ClientResultException>(() =>
                OpenAIConformanceTests.CreateAsync(service.Videos, image, ("prompt", "a")));
            Assert.Equal(400, error.Status);
        }
    }

    [Theory]
    [InlineData("application/json", true)]
    [InlineData("application/json", false)]
    [InlineData("multipart/form-data; boundary=b", true)]
    [InlineData("multipart/form-data; boundary=b", false)]
    public async Task A_body_of_a_gigabyte_is_refused_before_it_is_read(string type, bool isLengthTold)
    {
        const long Whole = 1L << 30;
        await using var service = await TestService.StartAsync(options => options.MaxImageBytes = 1 << 20);
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, service.Address.Port);
        await using var stream = client.GetStream();
        var length = isLengthTold ? $"Content-Length: {Whole}" : "Transfer-Encoding: chunked";
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /v1/videos HTTP/1.1\r\nHost: localhost:{service.Address.Port}\r\nContent-Type: {type}\r\n{length}\r\n\r\n"));
        using var reader = new StreamReader(stream, leaveOpen: true);
        var answer = AnswerAsync(reader);
        var sent = 0L;
        try
        {
            foreach (var piece in Pieces(type).TakeWhile(_ => sent < Whole && !answer.IsCompleted))
            {
                await stream.WriteAsync(isLengthTold ? piece
                    : [.. Encoding.ASCII.GetBytes($"{piece.Length:x}\r\n"), .. piece, .. "\r\n"u8]);
                sent += piece.Length;
            }
        }
        catch (IOException)
        {
            // The connection is closed.
        }

        var (status, body) = await answer.WaitAsync(TimeSpan.FromMinutes(1));
        Assert.StartsWith("HTTP/1.1 413", status);
        Assert.Equal("request_too_large", TestService.Json(body).GetProperty("error").GetProperty("code").GetString());
        // What it may be, 3 MB, and what is on its way.
        Assert.InRange(sent, 0, 64 << 20);
        Assert.Equal(0, (await service.GetAsync("/v1/videos")).GetProperty("data").GetArrayLength());
    }

    [Fact]
    public async Task A_full_queue_and_a_greedy_key_are_told_to_wait()
    {
        await using var service = await TestService.StartAsync(options =>
            (options.MaxQueuedJobs, options.MaxJobsPerKey, options.MaxRequestsPerMinute) = (3, 5, 1000));
        service.Generator.Hold();
        var answers = new List<HttpResponseMessage>();
        for (var i = 0; i < 40; i++)
            answers.Add(await service.Http.PostAsJsonAsync("/v1/videos", new { prompt = "a" }));

        Assert.InRange(answers.Count(answer => answer.IsSuccessStatusCode), 3, 4);
        await AssertErrorAsync(answers[^1], 429, "queue_full");
        Assert.InRange(answers[^1].Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 600);

        await using var fair = await TestService.StartAsync(options => options.MaxJobsPerKey = 2);
        fair.Generator.Hold();
        for (var i = 0; i < 2; i++)
            Assert.True((await fair.Http.PostAsJsonAsync("/v1/videos", new { prompt = "a" })).IsSuccessStatusCode);

        await AssertErrorAsync(await fair.Http.PostAsJsonAsync("/v1/videos", new { prompt = "a" }), 429, "too_many_videos");
    }

    [Fact]
    public async Task Too_many_requests_in_a_minute_are_told_to_wait()
    {
        await using var service = await TestService.StartAsync(options => options.MaxRequestsPerMinute = 5);
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => service.Http.GetAsync("/v1/models")));
        Assert.Equal(5, answers.Count(answer => answer.IsSuccessStatusCode));
        var refused = answers.First(answer => !answer.IsSuccessStatusCode);
        await AssertErrorAsync(refused, 429, "rate_limit_exceeded");
        Assert.NotNull(refused.Headers.RetryAfter);
    }

    [Fact]
    public async Task A_client_that_goes_away_leaves_nothing()
    {
        await using var service = await TestService.StartAsync();
        using (var client = new TcpClient())
        {
            await client.ConnectAsync(IPAddress.Loopback, service.Address.Port);
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
                $"POST /v1/videos HTTP/1.1\r\nHost: localhost:{service.Address.Port}\r\nContent-Type: application/json\r\nContent-Length: "
                    + $"500\r\n\r\n{{\"prompt\": \"half"));
        }

        var id = (await OpenAIConformanceTests.CreateAsync(service.Videos, ("prompt", "whole"))).GetProperty("id").GetString()!;
        await service.EndOfAsync(id);
        Assert.Equal(1, (await service.GetAsync("/v1/videos")).GetProperty("data").GetArrayLength());
        Assert.Equal(["whole"], service.Generator.Calls.Select(call => call.Request.Prompt));
    }

    [Theory]
    [InlineData("POST /v1/videos HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{")]
    [InlineData("GET /v1/videos HTTP/1.1\r\nHost: loc")]
    public async Task A_client_that_sends_too_slowly_is_cut_off(string beginning)
    {
        await using var service = await TestService.StartAsync();
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, service.Address.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(beginning));
        using var reader = new StreamReader(client.GetStream());
        Assert.StartsWith("HTTP/1.1 408", await reader.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(1)));
        Assert.Equal(0, (await service.GetAsync("/v1/videos")).GetProperty("data").GetArrayLength());
    }

    [Fact]
    public async Task A_client_that_reads_too_slowly_is_cut_off_and_holds_nothing()
    {
        await using var service = await TestService.StartAsync(services: SmallBuffers);
        service.Generator.Bytes = (_, _) => new byte[64 << 20];
        var id = (await OpenAIConformanceTests.CreateAsync(service.Videos, ("prompt", "a"))).GetProperty("id").GetString()!;
        await service.EndOfAsync(id);
        using var client = await AskAndReadNothingAsync(service, $"/v1/videos/{id}/content");
        await TestService.UntilAsync(() => OpenFiles.Has(id));
        // It reads nothing more.
        await TestService.UntilAsync(() => !OpenFiles.Has(id));
    }

    [Fact]
    public async Task A_client_that_stays_and_reads_no_events_is_cut_off_and_little_is_kept_for_it_until_then()
    {
        const int Pictures = 200;
        await using var service = await TestService.StartAsync(services: SmallBuffers);
        service.Generator.Hold();
        var id = (await OpenAIConformanceTests.CreateAsync(service.Videos, ("prompt", "a"))).GetProperty("id").GetString()!;
        await TestService.UntilAsync(() => service.Generator.Calls.Count == 1);
        var live = service.Services.GetRequiredService<LiveJobs>();
        using var client = await AskAndReadNothingAsync(service, $"/v1/videos/{id}/events");
        await TestService.UntilAsync(() => live.Watchers == 1);

        var pictures = new List<WeakReference>();
        for (var i = 0; i < Pictures; i++)
        {
            pictures.Add(Show(live, id));
            // It is asked to take the first ones; what comes then waits.
            if (i < 10)
                await Task.Delay(20);
        }

        Assert.Equal(1, live.Watchers);
        GC.Collect();
        // The backlog of its watch, the picture that whoever comes later sees, and what is being written.
        Assert.InRange(pictures.Count(picture => picture.IsAlive), 1, 20);
        await TestService.UntilAsync(() => live.Watchers == 0);

        // The job, and who reads, have nothing of it.
        service.Generator.Release();
        Assert.Contains("event: video.completed", await service.Http.GetStringAsync($"/v1/videos/{id}/events"));
        await TestService.UntilAsync(() => live.Watchers == 0);
    }

    [Fact]
    public async Task A_client_that_goes_away_in_the_middle_of_a_video_or_of_its_events_holds_nothing()
    {
        await using var service = await TestService.StartAsync();
        service.Generator.Bytes = (_, _) => new byte[64 << 20];
        var id = (await OpenAIConformanceTests.CreateAsync(service.Videos, ("prompt", "a"))).GetProperty("id").GetString()!;
        await service.EndOfAsync(id);
        using (var content = await service.Http.GetAsync($"/v1/videos/{id}/content", HttpCompletionOption.ResponseHeadersRead))
        {
            Assert.True(content.IsSuccessStatusCode);
            await TestService.UntilAsync(() => OpenFiles.Has(id));
        }

        await TestService.UntilAsync(() => !OpenFiles.Has(id));
        service.Generator.Hold();
        var running = (await OpenAIConformanceTests.CreateAsync(service.Videos, ("prompt", "b"))).GetProperty("id").GetString()!;
        var live = service.Services.GetRequiredService<LiveJobs>();
        using (await service.Http.GetAsync($"/v1/videos/{running}/events", HttpCompletionOption.ResponseHeadersRead))
            await TestService.UntilAsync(() => live.Watchers == 1);

        await TestService.UntilAsync(() => live.Watchers == 0);
        // The job is nobody's but its own.
        service.Generator.Release();
        Assert.Equal("completed", (await service.EndOfAsync(running)).GetProperty("status").GetString());
    }

    /// <summary>More requests than may wait; the long form, TURBODIFFUSION_FLOOD_REQUESTS=100000, prints its figures.</summary>
    [Fact]
    public async Task A_flood_of_requests_is_answered_each_and_leaves_what_was_accepted()
    {
        const int Waiting = 100;
        var requests = int.TryParse(Environment.GetEnvironmentVariable("TURBODIFFUSION_FLOOD_REQUESTS"), out var asked) ? asked : 1000;
        var folder = Directory.CreateTempSubdirectory("turbodiffusion-flood-").FullName;
        var answers = new ConcurrentDictionary<string, int>();
        await using (var service = await TestService.StartAsync(
            options => (options.MaxQueuedJobs, options.MaxJobsPerKey, options.MaxRequestsPerMinute) = (Waiting, int.MaxValue, int.MaxValue),
            folder))
        {
            service.Generator.Hold();
            var image = $"data:image/png;base64,{Convert.ToBase64String(FakeVideoGenerator.Picture(16, 16, 1))}";
            var watch = Stopwatch.StartNew();
            await Parallel.ForEachAsync(Enumerable.Range(0, requests), new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (_, _) =>
            {
                using var answer = await service.Http.PostAsJsonAsync("/v1/videos", new { prompt = "a", input_reference = image });
                var body = TestService.Json(await answer.Content.ReadAsStringAsync());
                var said = answer.IsSuccessStatusCode ? "accepted" : answer.Headers.RetryAfter is null ? "not told when"
                    : $"{(int)answer.StatusCode} {body.GetProperty("error").GetProperty("code").GetString()}";
                answers.AddOrUpdate(said, 1, (_, count) => count + 1);
            });
            // One more than may wait: the one that runs.
            Assert.Equal(["429 queue_full", "accepted"], answers.Keys.Order());
            Assert.Equal((Waiting + 1, requests), (answers["accepted"], answers.Values.Sum()));
            Assert.Equal(Waiting + 1, Directory.GetDirectories(Path.Combine(folder, "videos")).Length);
            Assert.True((await service.Http.GetAsync("/health/ready")).IsSuccessStatusCode);
            TestContext.Current.TestOutputHelper!.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{requests} requests in {watch.Elapsed.TotalSeconds:0} s: {string.Join(", ", answers)}; "
                    + $"{Environment.WorkingSet >> 20} MB"));
        }

        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData("ApiKeys", "is not the SHA-256")]
    [InlineData("Workers", "Workers is 0")]
    [InlineData("Retention", "Retention is")]
    public async Task Options_that_cannot_be_are_refused_at_the_start(string option, string message)
    {
        var error = await Assert.ThrowsAsync<Microsoft.Extensions.Options.OptionsValidationException>(() =>
            TestService.StartAsync(options =>
        {
            if (option == "ApiKeys") options.ApiKeys["alice"] = "the key itself";
            if (option == "Workers") options.Workers = 0;
            if (option == "Retention") options.Retention = TimeSpan.Zero;
        }));
        Assert.Contains(message, error.Message);
    }

    /// <summary>Shows a picture of a size that a network notices, which nobody but the service has.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference Show(LiveJobs live, string id)
    {
        var picture = new byte[32 << 10];
        live.Report(id, new VideoJobProgress(1), picture);
        return new WeakReference(picture);
    }

    /// <summary>What the kernel has taken counts as on its way: little, so that tests are short.</summary>
    private static void SmallBuffers(IServiceCollection services) =>
        services.Configure<SocketTransportOptions>(options => options.CreateBoundListenSocket = address =>
        {
            var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(address);
            socket.SendBufferSize = 16 << 10;
            return socket;
        });

    private static async Task<TcpClient> AskAndReadNothingAsync(TestService service, string path)
    {
        var client = new TcpClient { ReceiveBufferSize = 4096 };
        await client.ConnectAsync(IPAddress.Loopback, service.Address.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(
            $"GET {path} HTTP/1.1\r\nHost: localhost:{service.Address.Port}\r\n\r\n"));
        return client;
    }

    private static async Task<HttpResponseMessage> SendAsync(TestService service, HttpMethod method, string path, string? key)
    {
        using var request = new HttpRequestMessage(method, path.Length == 0 ? "/v1/videos" : $"/v1/videos/{path}");
        if (key is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);

        return await service.Http.SendAsync(request);
    }

    private static async Task AssertErrorAsync(HttpResponseMessage response, int status, string code)
    {
        var error = TestService.Json(await response.Content.ReadAsStringAsync()).GetProperty("error");
        Assert.Equal((status, code), ((int)response.StatusCode, error.GetProperty("code").GetString()));
        Assert.False(string.IsNullOrWhiteSpace(error.GetProperty("message").GetString()));
    }

    /// <summary>A body without end: white space, which JSON may begin with, or a form's image.</summary>
    private static IEnumerable<byte[]> Pieces(string type)
    {
        if (type.StartsWith("multipart/", StringComparison.Ordinal))
        {
            yield return [.. "--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na\r\n--b\r\n"u8,
                .. "Content-Disposition: form-data; name=\"input_reference\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n"u8];
        }

        var piece = Enumerable.Repeat((byte)' ', 1 << 16).ToArray();
        while (true)
            yield return piece;
    }

    private static async Task<(string? Status, string Body)> AnswerAsync(StreamReader reader)
    {
        var status = await reader.ReadLineAsync();
        while (await reader.ReadLineAsync() is { Length: > 0 })
        {
        }

        // The object of an error in an object, in a chunk.
        var text = "";
        while (!text.Contains("}}", StringComparison.Ordinal) && await reader.ReadLineAsync() is { } line)
            text += line;

        return (status, text[text.IndexOf('{')..(text.LastIndexOf('}') + 1)]);
    }
}
