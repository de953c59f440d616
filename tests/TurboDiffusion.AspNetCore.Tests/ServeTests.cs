using System.ClientModel;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using ModelContextProtocol;
using ModelContextProtocol.Client;
using OpenAI.Videos;
using TurboDiffusion.AspNetCore.Security;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary><c>turbodiffusion serve</c> and <c>turbodiffusion mcp</c> as processes of their own, with models that make videos.</summary>
public sealed partial class ServeTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("turbodiffusion-serve-").FullName;

    [Fact]
    public async Task Killed_in_the_middle_of_a_video_of_the_embedded_model_it_makes_it_at_the_next_start()
    {
        string id, waiting, temporary = Directory.CreateDirectory(Path.Combine(_folder, "temporary")).FullName,
            data = Path.Combine(_folder, "data");
        await using (var service = await CommandProcess.ServeInAsync(temporary, "--data", data))
        {
            var client = Client(service);
            (string, string)[] fields = [("prompt", "a red circle moves to the right"), ("size", "64x48"), ("seconds", "0.4"),
                ("steps", "2"), ("seed", "7")];
            id = (await OpenAIConformanceTests.CreateAsync(client, fields)).GetProperty("id").GetString()!;
            waiting = (await OpenAIConformanceTests.CreateAsync(client, fields)).GetProperty("id").GetString()!;
            JsonElement now;
            do
            {
                await Task.Delay(20);
                now = TestService.Json(await service.Http.GetStringAsync($"/v1/videos/{id}"));
            }
            while (now.GetProperty("status").GetString() is "queued" or "in_progress" && now.GetProperty("progress").GetInt32() < 1);

            Assert.True(now.GetProperty("status").GetString() == "in_progress", now.GetRawText());

            await service.KillAsync();
        }

        Assert.Single(Directory.GetDirectories(temporary, ".turbodiffusion-*.partial"));
        await using var next = await CommandProcess.ServeInAsync(temporary, "--data", data);
        var videos = new List<byte[]>();
        foreach (var video in (string[])[id, waiting])
        {
            var end = await OpenAIConformanceTests.PollAsync(Client(next), video);
            Assert.True(end.GetProperty("status").GetString() == "completed", end.GetRawText());
            Assert.Equal(7, end.GetProperty("seed").GetInt64());
            videos.Add((await Client(next).DownloadVideoAsync(video, null, new())).GetRawResponse().Content.ToArray());
        }

        // The run that was interrupted and the one that never was give the same file.
        Assert.Equal(videos[0], videos[1]);
        Assert.Equal("ftyp"u8, videos[0].AsSpan(4, 4));
        Assert.Equal(0, await next.InterruptAsync());
        Assert.Empty(Directory.GetFileSystemEntries(temporary, ".turbodiffusion-*.partial"));
        Assert.Empty(Directory.EnumerateFiles(data, "*.partial", new EnumerationOptions
        {
            RecurseSubdirectories = true, AttributesToSkip = 0,
        }));
    }

    [Fact]
    public async Task Without_a_folder_for_temporary_files_a_job_ends_in_an_error_that_says_so()
    {
        await using var service = await CommandProcess.ServeInAsync(
            "/nowhere/at/all", "--data", _folder, "--model", CommandProcess.SmallModelFolder);
        var id = (await OpenAIConformanceTests.CreateAsync(Client(service), ("prompt", "a"), ("size", "32x32"), ("seconds", "0.4")))
            .GetProperty("id").GetString()!;
        var error = (await OpenAIConformanceTests.PollAsync(Client(service), id)).GetProperty("error");
        // The path is for the operator, in the log.
        Assert.EndsWith("missing (disk).", error.GetProperty("message").GetString());
        Assert.Matches("The folder for temporary files, /nowhere/at/all/, .* does not exist.* TMPDIR", service.Log);
        Assert.Empty(Directory.GetDirectories(Path.Combine(_folder, "videos")));
    }

    [Fact]
    public async Task OpenAIs_client_creates_polls_downloads_lists_remixes_and_deletes()
    {
        await using var service = await CommandProcess.ServeAsync("--data", _folder, "--model", CommandProcess.SmallModelFolder);
        var client = Client(service);
        var id = Id(await OpenAIConformanceTests.CreateAsync(
            client, ("prompt", "a cat"), ("size", "64x32"), ("frames", "5"), ("steps", "1"), ("seed", "7")));
        Assert.Equal("completed", (await OpenAIConformanceTests.PollAsync(client, id)).GetProperty("status").GetString());
        var video = await ContentAsync(id);
        Assert.Equal("ftyp"u8, video.AsSpan(4, 4));

        var remix = await OpenAIConformanceTests.RemixAsync(client, id, "a dog");
        Assert.Equal(id, remix.GetProperty("remixed_from_video_id").GetString());
        var end = await OpenAIConformanceTests.PollAsync(client, Id(remix));
        Assert.Equal(("completed", "64x32", 7L), (end.GetProperty("status").GetString(), end.GetProperty("size").GetString(),
            end.GetProperty("seed").GetInt64()));
        Assert.NotEqual(video, await ContentAsync(Id(remix)));
        Assert.Equal([id, Id(remix)], await ListAsync());

        var again = Id(await OpenAIConformanceTests.RemixAsync(client, id, "a cat"));
        Assert.Equal("completed", (await OpenAIConformanceTests.PollAsync(client, again)).GetProperty("status").GetString());
        foreach (var deleted in (string[])[id, Id(remix)])
        {
            Assert.Equal(200, (await client.DeleteVideoAsync(deleted, new())).GetRawResponse().Status);
            var gone = await Assert.ThrowsAsync<ClientResultException>(() => client.DownloadVideoAsync(deleted, null, new()));
            Assert.Equal(404, gone.Status);
        }

        Assert.Equal([again], await ListAsync());
        Assert.Equal([again], Directory.GetDirectories(Path.Combine(_folder, "videos")).Select(Path.GetFileName));

        async Task<byte[]> ContentAsync(string of) => (await client.DownloadVideoAsync(of, null, new())).GetRawResponse().Content.ToArray();

        async Task<string[]> ListAsync() => [.. (await OpenAIConformanceTests.ListAsync(client, 10, "asc", after: null))
            .GetProperty("data").EnumerateArray().Select(Id)];

        static string Id(JsonElement of) => of.GetProperty("id").GetString()!;
    }

    [Fact]
    public async Task With_an_object_store_in_the_documented_settings_its_videos_are_there()
    {
        await using var store = await S3Server.StartAsync();
        var page = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "docs", "service.md"));
        var settings = Path.Combine(_folder, "service.json");
        await File.WriteAllTextAsync(settings, SettingsBlock().Matches(page).Select(match => match.Groups[1].Value)
            .Single(text => text.Contains("VideoFiles", StringComparison.Ordinal))
            .Replace("http://10.0.0.7:9000", store.Address, StringComparison.Ordinal));
        await using var service = await CommandProcess.ServeWithAsync(
            [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")],
            "--data", _folder, "--settings", settings, "--model", CommandProcess.SmallModelFolder);
        var id = (await OpenAIConformanceTests.CreateAsync(
            Client(service), ("prompt", "a cat"), ("size", "64x32"), ("frames", "5"), ("steps", "1"))).GetProperty("id").GetString()!;
        var end = await OpenAIConformanceTests.PollAsync(Client(service), id);
        Assert.True(end.GetProperty("status").GetString() == "completed", end.GetRawText());
        Assert.Equal(store.Objects[$"videos/videos/{id}/video1.mp4"],
            (await Client(service).DownloadVideoAsync(id, null, new())).GetRawResponse().Content.ToArray());
        Assert.False(Directory.Exists(Path.Combine(_folder, "videos", id)));
    }

    [Fact]
    public async Task The_documented_requests_work_as_printed()
    {
        await using var service = await CommandProcess.ServeAsync("--data", Path.Combine(_folder, "data"), "--model",
            CommandProcess.SmallModelFolder);
        var page = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "docs", "service.md"));
        var script = string.Join('\n', CurlBlock().Matches(page).Select(match => match.Groups[1].Value));
        Assert.True(Regex.Count(script, @"\bcurl ") >= 8, script);
        var start = new ProcessStartInfo("bash", ["-euo", "pipefail", "-c",
            script.Replace("http://127.0.0.1:5080", service.Address.GetLeftPart(UriPartial.Authority), StringComparison.Ordinal)])
        {
            WorkingDirectory = _folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        await File.WriteAllBytesAsync(Path.Combine(_folder, "cat.png"), FakeVideoGenerator.Picture(64, 64, 100));
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, output + await error);
        Assert.True(new FileInfo(Path.Combine(_folder, "video.mp4")).Length > 100);
        Assert.Contains("\"deleted\":true", output);
    }

    [Fact]
    public async Task Documents_metrics_and_health_are_served_and_keys_guard_what_tells_something()
    {
        var (key, hash) = ApiKey.New();
        var settings = Path.Combine(_folder, "service.json");
        await File.WriteAllTextAsync(settings, $$"""{ "VideoService": { "ApiKeys": { "me": "{{hash}}" }, "MaxSteps": 9 } }""");
        await using var service = await CommandProcess.ServeAsync("--data", _folder, "--settings", settings, "--model",
            CommandProcess.SmallModelFolder);
        foreach (var path in (string[])["/", "/page.js", "/health/live", "/health/ready", "/openapi/v1.json", "/scalar"])
            Assert.Equal(HttpStatusCode.OK, (await service.Http.GetAsync(path)).StatusCode);
        foreach (var path in (string[])["/metrics", "/v1/videos", "/v1/models"])
            Assert.Equal(HttpStatusCode.Unauthorized, (await service.Http.GetAsync(path)).StatusCode);

        Assert.Equal(HttpStatusCode.Unauthorized,
            (await service.Http.PostAsync("/mcp", new StringContent("{}", null, "application/json"))).StatusCode);
        service.Http.DefaultRequestHeaders.Authorization = new("Bearer", key);
        var paths = TestService.Json(await service.Http.GetStringAsync("/openapi/v1.json")).GetProperty("paths");
        await AssertDocumentedAsync(paths, service);
        Assert.DoesNotContain("//", await service.Http.GetStringAsync("/scalar") is var html ? SourceOutside().Match(html).Value : "");

        var client = Client(service, key);
        var id = (await OpenAIConformanceTests.CreateAsync(client, ("prompt", "a cat"), ("size", "32x32"), ("frames", "5"), ("steps", "1")))
            .GetProperty("id").GetString()!;
        Assert.Equal("completed", (await OpenAIConformanceTests.PollAsync(client, id)).GetProperty("status").GetString());
        var error = await Assert.ThrowsAsync<ClientResultException>(() =>
            OpenAIConformanceTests.CreateAsync(client, ("prompt", "a cat"), ("steps", "10")));
        Assert.Equal(400, error.Status);
        var metrics = await service.Http.GetStringAsync("/metrics");
        foreach (var name in (string[])["turbodiffusion_jobs_queued", "turbodiffusion_job_duration_seconds_count",
            "turbodiffusion_stage_duration_seconds", "turbodiffusion_frames"])
            Assert.Contains(name, metrics);
    }

    [Fact]
    public async Task Metrics_and_traces_go_to_the_collector_that_the_environment_names_without_prompts()
    {
        var told = new System.Collections.Concurrent.ConcurrentDictionary<string, string>();
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        await using var collector = builder.Build();
        collector.MapPost("/v1/{kind}", async (HttpRequest request, string kind) =>
        {
            // Texts are themselves in Protocol Buffers.
            using var reader = new StreamReader(request.Body, Encoding.Latin1);
            var body = await reader.ReadToEndAsync();
            told.AddOrUpdate(kind, body, (_, before) => before + body);
        });
        await collector.StartAsync();
        await using var service = await CommandProcess.ServeWithAsync(
            [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.Urls.First()), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
                ("OTEL_BSP_SCHEDULE_DELAY", "100"), ("OTEL_METRIC_EXPORT_INTERVAL", "200")],
            "--data", _folder, "--model", CommandProcess.SmallModelFolder);
        var created = await OpenAIConformanceTests.CreateAsync(
            Client(service), ("prompt", "a zanzibar cat"), ("size", "32x32"), ("frames", "5"), ("steps", "1"));
        var id = created.GetProperty("id").GetString()!;
        Assert.Equal("completed", (await OpenAIConformanceTests.PollAsync(Client(service), id)).GetProperty("status").GetString());
        await TestService.UntilAsync(() => Has("traces", "generate_content", "POST /v1/videos")
            && Has("metrics", "turbodiffusion.jobs.queued", "turbodiffusion.job.duration", "turbodiffusion.stage.duration",
                "turbodiffusion.frames", "http.server.request.duration"));
        Assert.DoesNotContain("zanzibar", string.Concat(told.Values));

        bool Has(string kind, params string[] names) =>
            told.TryGetValue(kind, out var text) && names.All(name => text.Contains(name, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Over_http_a_tool_makes_a_video_and_tells_its_progress()
    {
        await using var service = await CommandProcess.ServeAsync("--data", _folder, "--model", CommandProcess.SmallModelFolder);
        await using var client = await McpClient.CreateAsync(
            new HttpClientTransport(new HttpClientTransportOptions { Endpoint = new Uri(service.Address, "/mcp") }));
        var uri = await CallAsync(client);
        Assert.StartsWith($"{service.Address.GetLeftPart(UriPartial.Authority)}/v1/videos/video_", uri);
        Assert.Equal(HttpStatusCode.OK, (await service.Http.GetAsync(uri)).StatusCode);
    }

    [Fact]
    public async Task Requests_of_tools_and_of_the_api_count_together()
    {
        await using var service = await CommandProcess.ServeWithAsync(
            [("VideoService__MaxRequestsPerMinute", "2")], "--data", _folder, "--model", CommandProcess.SmallModelFolder);
        async Task<HttpResponseMessage> CallAsync()
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/mcp");
            request.Headers.Accept.ParseAdd("application/json, text/event-stream");
            request.Content = new StringContent("""{ "jsonrpc": "2.0", "id": 1, "method": "ping" }""", null, "application/json");
            return await service.Http.SendAsync(request);
        }

        Assert.NotEqual(HttpStatusCode.TooManyRequests, (await CallAsync()).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await service.Http.GetAsync("/v1/models")).StatusCode);
        foreach (var refused in new[] { await CallAsync(), await service.Http.GetAsync("/v1/models") })
        {
            Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
            Assert.NotNull(refused.Headers.RetryAfter);
            var error = TestService.Json(await refused.Content.ReadAsStringAsync()).GetProperty("error");
            Assert.Equal(("rate_limit_error", "rate_limit_exceeded"),
                (error.GetProperty("type").GetString(), error.GetProperty("code").GetString()));
        }
    }

    [Fact]
    public async Task Over_the_standard_streams_a_tool_makes_a_video_and_tells_its_progress()
    {
        await using var client = await McpClient.CreateAsync(new StdioClientTransport(new StdioClientTransportOptions
        {
            Command = "dotnet",
            Arguments = [CommandProcess.Program, "mcp", "--device", "cpu", "--model", CommandProcess.SmallModelFolder, "--output", _folder],
        }));
        var uri = new Uri(await CallAsync(client));
        Assert.Equal(_folder, Path.GetDirectoryName(uri.LocalPath));
        Assert.True(new FileInfo(uri.LocalPath).Length > 0);
    }

    [Fact]
    public async Task The_sample_serves()
    {
        var start = new ProcessStartInfo("dotnet",
            [CommandProcess.Built("samples", "VideoService"), "--urls", "http://127.0.0.1:0", $"--VideoService:DataFolder={_folder}",
                "--TurboDiffusion:Device=cpu"])
        {
            RedirectStandardOutput = true,
        };
        using var process = Process.Start(start)!;
        try
        {
            string? line;
            do
                line = await process.StandardOutput.ReadLineAsync();
            while (line is not null && !line.Contains("Now listening on: ", StringComparison.Ordinal));

            using var http = new HttpClient { BaseAddress = new Uri(line!.Split("on: ")[1]) };
            Assert.Contains("shapes", await http.GetStringAsync("/v1/models"));
            Assert.Contains("New video", await http.GetStringAsync("/"));
            Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/health/ready")).StatusCode);
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync();
        }
    }

    [Theory]
    [InlineData("--listen", "https://0.0.0.0:1")]
    [InlineData("--settings", "/does/not/exist.json")]
    public async Task What_cannot_be_served_is_said_in_a_line(string option, string value)
    {
        using var process = Process.Start(new ProcessStartInfo("dotnet",
            [CommandProcess.Program, "serve", "--data", _folder, option, value]) { RedirectStandardError = true })!;
        var error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.Equal(1, process.ExitCode);
        Assert.StartsWith("error: ", error);
        Assert.Single(error.Trim().Split('\n'));
    }

    [Fact]
    public async Task A_second_process_on_the_same_folder_is_refused_and_the_first_goes_on()
    {
        await using var service = await CommandProcess.ServeAsync("--data", _folder, "--model", CommandProcess.SmallModelFolder);
        using var second = Process.Start(new ProcessStartInfo("dotnet",
            [CommandProcess.Program, "serve", "--listen", "http://127.0.0.1:0", "--data", _folder, "--device", "cpu"])
        {
            RedirectStandardError = true,
        })!;
        var error = await second.StandardError.ReadToEndAsync();
        await second.WaitForExitAsync();
        Assert.Equal(1, second.ExitCode);
        Assert.Matches("(?m)^error: The jobs in .* are in use by another process; stop it, or choose another folder.$", error);
        Assert.True((await service.Http.GetAsync("/health/ready")).IsSuccessStatusCode);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>What the document says of the bodies is what is taken and what is answered.</summary>
    private static async Task AssertDocumentedAsync(JsonElement paths, CommandProcess service)
    {
        var create = paths.GetProperty("/v1/videos").GetProperty("post");
        foreach (var (type, format) in ((string, string)[])[("multipart/form-data", "binary"), ("application/json", "uri")])
        {
            var schema = create.GetProperty("requestBody").GetProperty("content").GetProperty(type).GetProperty("schema");
            Assert.Equal("prompt", Assert.Single(schema.GetProperty("required").EnumerateArray()).GetString());
            var fields = schema.GetProperty("properties");
            Assert.Equal(9, fields.GetProperty("steps").GetProperty("maximum").GetInt32());
            Assert.Equal(format, fields.GetProperty("input_reference").GetProperty("format").GetString());
            Assert.Equal(13, fields.EnumerateObject().Count());
        }

        // Every field is known, and nothing else is.
        var known = create.GetProperty("requestBody").GetProperty("content").GetProperty("application/json").GetProperty("schema")
            .GetProperty("properties").EnumerateObject().ToDictionary(field => field.Name, _ => (object)new[] { 1 });
        foreach (var (name, value) in known.Append(new("stepz", 1)))
        {
            using var answer = await service.Http.PostAsJsonAsync("/v1/videos", new Dictionary<string, object> { [name] = value });
            var error = TestService.Json(await answer.Content.ReadAsStringAsync()).GetProperty("error");
            Assert.Equal((name == "stepz" ? "unknown_parameter" : "invalid_value", name),
                (error.GetProperty("code").GetString(), error.GetProperty("param").GetString()));
            Assert.Equal(Properties(Answer(create, "400")).Order(), ["error"]);
            Assert.Equal(Properties(Answer(create, "400").GetProperty("properties").GetProperty("error")), Names(error));
        }

        using var response = await service.Http.PostAsJsonAsync("/v1/videos", new { prompt = "a", size = "32x32", frames = 5, steps = 1 });
        var video = TestService.Json(await response.Content.ReadAsStringAsync());
        Assert.Equal(Properties(Answer(create, "200")), Names(video));
        var list = TestService.Json(await service.Http.GetStringAsync("/v1/videos"));
        Assert.Equal(Properties(Answer(paths.GetProperty("/v1/videos").GetProperty("get"), "200")), Names(list));
        var one = paths.GetProperty("/v1/videos/{id}");
        using var deletion = await service.Http.DeleteAsync($"/v1/videos/{video.GetProperty("id").GetString()}");
        var deleted = TestService.Json(await deletion.Content.ReadAsStringAsync());
        Assert.Equal(Properties(Answer(one.GetProperty("delete"), "200")), Names(deleted));
        Assert.Contains("video/mp4", paths.GetProperty("/v1/videos/{id}/content").GetProperty("get").GetProperty("responses")
            .GetProperty("200").GetProperty("content").EnumerateObject().Select(type => type.Name));
        Assert.Equal("prompt", Assert.Single(paths.GetProperty("/v1/videos/{id}/remix").GetProperty("post").GetProperty("requestBody")
            .GetProperty("content").GetProperty("application/json").GetProperty("schema").GetProperty("properties").EnumerateObject())
            .Name);

        static JsonElement Answer(JsonElement operation, string status) => operation.GetProperty("responses").GetProperty(status)
            .GetProperty("content").GetProperty("application/json").GetProperty("schema");

        static string[] Properties(JsonElement schema) => Names(schema.GetProperty("properties"));

        static string[] Names(JsonElement element) => [.. element.EnumerateObject().Select(property => property.Name)];
    }

    /// <summary>Calls the tool and checks all but where the video is.</summary>
    private static async Task<string> CallAsync(McpClient client)
    {
        var tool = Assert.Single(await client.ListToolsAsync());
        Assert.Equal("generate_video", tool.Name);
        Assert.NotNull(tool.ProtocolTool.OutputSchema);
        Assert.DoesNotContain("progress", tool.JsonSchema.GetRawText());
        var told = new Collected();
        var result =
            await tool.CallAsync(new Dictionary<string, object?> { ["prompt"] = "a cat", ["durationSeconds"] = 0.2, ["seed"] = 7 }, told);
        var video = result.StructuredContent!.Value;
        Assert.NotEqual(true, result.IsError);
        Assert.Equal(7, video.GetProperty("seed").GetInt64());
        Assert.Equal("video/mp4", video.GetProperty("mediaType").GetString());
        await TestService.UntilAsync(() => told.Values.Count > 0);
        Assert.All(told.Values, value => Assert.InRange(value.Progress, 0, 100));

        var refused = await tool.CallAsync(new Dictionary<string, object?> { ["prompt"] = " " });
        Assert.True(refused.IsError);
        return video.GetProperty("videoUri").GetString()!;
    }

    private static VideoClient Client(CommandProcess service, string key = "none") =>
        new(new ApiKeyCredential(key), new VideoClientOptions { Endpoint = new Uri(service.Address, "/v1") });

    [GeneratedRegex("<!-- tested -->\n```sh\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex CurlBlock();

    [GeneratedRegex("```json\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex SettingsBlock();

    [GeneratedRegex("(src|href)=\"(https?:)?//[^\"]*\"")]
    private static partial Regex SourceOutside();

    private sealed class Collected : IProgress<ProgressNotificationValue>
    {
        public System.Collections.Concurrent.ConcurrentQueue<ProgressNotificationValue> Values { get; } = [];

        public void Report(ProgressNotificationValue value) => Values.Enqueue(value);
    }
}
