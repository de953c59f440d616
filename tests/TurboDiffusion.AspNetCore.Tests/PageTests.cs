using Microsoft.Extensions.AI;
using Microsoft.Playwright;
using TurboDiffusion.AspNetCore.Security;
using TurboDiffusion.Extensions.AI;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>The page in a real browser.</summary>
public sealed class PageTests(Browser browser) : IClassFixture<Browser>
{
    [Fact]
    public async Task A_video_is_made_watched_downloaded_used_again_and_deleted()
    {
        await using var service = await StartAsync();
        service.Generator.Hold();
        await using var page = await browser.OpenAsync(service);
        await page.SubmitAsync("a red circle", ("Size", "320x192"), ("Steps", "3"), ("Seed", "7"));
        await page.StatusAsync("in_progress");
        await Assertions.Expect(page.Videos.First.GetByRole(AriaRole.Progressbar)).ToBeVisibleAsync();
        service.Generator.Release();

        await page.StatusAsync("completed");
        var player = page.Videos.First.Locator("video");
        await Assertions.Expect(player).ToBeVisibleAsync();
        await page.UntilAsync("document.querySelector('#videos video').readyState >= 2");
        Assert.Equal(1, await player.EvaluateAsync<double>("video => video.duration"), 0.1);
        await Assertions.Expect(page.Page.GetByRole(AriaRole.Status)).ToHaveTextAsync("Finished: a red circle");
        Assert.Equal((320, 7L), (service.Generator.Calls.Single().Options.VideoSize!.Value.Width,
            service.Generator.Calls.Single().Options.Seed!.Value));

        var download = await page.Page.RunAndWaitForDownloadAsync(() => page.Videos.First.Locator(".download").ClickAsync());
        Assert.Equal(TestClip.Bytes, await File.ReadAllBytesAsync((await download.PathAsync())!));

        await page.Page.GetByLabel("Prompt").FillAsync("");
        await page.Videos.First.Locator(".reuse").ClickAsync();
        Assert.Equal(("a red circle", "7"),
            (await page.Page.GetByLabel("Prompt").InputValueAsync(), await page.Page.GetByLabel("Seed").InputValueAsync()));

        // It is there again after a reload, with its thumbnail, and plays.
        await page.Page.ReloadAsync();
        await Assertions.Expect(page.Videos.First.Locator("img")).ToBeVisibleAsync();
        await page.Videos.First.Locator(".play").ClickAsync();
        await page.UntilAsync("document.querySelector('#videos video').currentTime > 0");
        await page.Videos.First.Locator(".delete").ClickAsync();
        await Assertions.Expect(page.Videos).ToHaveCountAsync(0);
        Assert.Equal(0, (await service.GetAsync("/v1/videos")).GetProperty("data").GetArrayLength());
    }

    [Fact]
    public async Task A_video_that_does_not_show_all_of_its_prompt_says_so()
    {
        await using var service = await StartAsync();
        service.Generator.Note = prompt => prompt == "a dog" ? "The model does not know 'dog'." : null;
        await using var page = await browser.OpenAsync(service);
        await page.SubmitAsync("a circle");
        await page.StatusAsync("completed");
        await Assertions.Expect(page.Videos.First.Locator(".note")).ToBeHiddenAsync();
        await page.SubmitAsync("a dog");
        await page.StatusAsync("completed");
        await Assertions.Expect(page.Videos.First.Locator(".note")).ToHaveTextAsync("The model does not know 'dog'.");
    }

    [Fact]
    public async Task A_running_video_is_cancelled_and_a_waiting_one_goes_on()
    {
        await using var service = await StartAsync();
        service.Generator.Hold();
        await using var page = await browser.OpenAsync(service);
        await page.SubmitAsync("first");
        await page.StatusAsync("in_progress");
        await page.SubmitAsync("second");
        await Assertions.Expect(page.Videos.First.Locator(".stage")).ToHaveTextAsync("waiting, number 1");
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Cancel: first" }).ClickAsync();
        await Assertions.Expect(page.Videos).ToHaveCountAsync(1);
        await TestService.UntilAsync(() => service.Generator.Cancelled.Contains("first"));
        service.Generator.Release();
        await page.StatusAsync("completed");
    }

    [Fact]
    public async Task Older_videos_follow_what_is_still_there()
    {
        await using var service = await TestService.StartAsync(options => options.MaxJobsPerKey = 100);
        var ids = new List<string>();
        for (var i = 0; i < 25; i++)
        {
            var video = await OpenAIConformanceTests.CreateAsync(service.Videos, ("prompt", $"video {i}"));
            ids.Add(video.GetProperty("id").GetString()!);
        }

        await service.EndOfAsync(ids[^1]);
        await using var page = await browser.OpenAsync(service);
        await Assertions.Expect(page.Videos).ToHaveCountAsync(20);
        // The oldest that is shown, and the one before it, are deleted elsewhere.
        foreach (var id in ids[5..7])
            Assert.True((await service.Http.DeleteAsync($"/v1/videos/{id}")).IsSuccessStatusCode);

        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Show older ones" }).ClickAsync();
        await Assertions.Expect(page.Videos).ToHaveCountAsync(23);
        await Assertions.Expect(page.Videos.Last.GetByRole(AriaRole.Heading)).ToHaveTextAsync("video 0");
    }

    [Fact]
    public async Task An_image_is_chosen_or_dropped_and_goes_with_the_request()
    {
        await using var service = await StartAsync();
        var image = FakeVideoGenerator.Picture(20, 10, 200);
        await using var page = await browser.OpenAsync(service);
        await page.Page.GetByLabel("Start image (optional)")
            .SetInputFilesAsync(new FilePayload { Name = "cat.png", MimeType = "image/png", Buffer = image });
        await Assertions.Expect(page.Page.Locator("#chosen-image")).ToBeVisibleAsync();
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Remove image" }).ClickAsync();
        await Assertions.Expect(page.Page.Locator("#chosen")).ToBeHiddenAsync();

        await page.Page.EvaluateAsync(
            """
            base64 => {
              const transfer = new DataTransfer();
              transfer.items.add(new File([Uint8Array.from(atob(base64), c => c.charCodeAt(0))], 'cat.png', { type: 'image/png' }));
              const drop = new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true });
              document.getElementById('drop').dispatchEvent(drop);
            }
            """,
            Convert.ToBase64String(image));
        await Assertions.Expect(page.Page.Locator("#chosen-image")).ToBeVisibleAsync();
        await page.SubmitAsync("the cat turns its head");
        await page.StatusAsync("completed");
        Assert.Equal(image, ((DataContent)service.Generator.Calls.Single().Request.StartFrame!).Data.ToArray());
    }

    [Fact]
    public async Task Errors_are_said_and_a_failed_video_says_why()
    {
        await using var service = await StartAsync(options => options.MaxFramePixels = 1000);
        service.Generator.Failure = _ => new InvalidRequestException("prompt", "This prompt is bad.");
        await using var page = await browser.OpenAsync(service);
        await page.SubmitAsync("too large", ("Size", "640x480"));
        await Assertions.Expect(page.Page.GetByRole(AriaRole.Alert)).ToContainTextAsync("640x480 is too large");
        await page.SubmitAsync("<img src=x onerror=alert(1)>", ("Size", ""));
        await page.StatusAsync("failed");
        await Assertions.Expect(page.Videos.First).ToContainTextAsync("This prompt is bad.");
        await Assertions.Expect(page.Videos.First.GetByRole(AriaRole.Heading)).ToHaveTextAsync("<img src=x onerror=alert(1)>");
    }

    [Fact]
    public async Task A_key_is_asked_for_and_kept_for_the_tab()
    {
        var (key, hash) = ApiKey.New();
        await using var service = await StartAsync(options => options.ApiKeys["me"] = hash);
        await using var page = await browser.OpenAsync(service);
        await page.Page.GetByLabel("Key", new() { Exact = true }).FillAsync("wrong");
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Use key" }).ClickAsync();
        await Assertions.Expect(page.Page.GetByText("The API key is not known.")).ToBeVisibleAsync();
        await page.AssertAccessibleAsync();
        await page.Page.GetByLabel("Key", new() { Exact = true }).FillAsync(key);
        await page.Page.GetByLabel("Key", new() { Exact = true }).PressAsync("Enter");
        await Assertions.Expect(page.Page.Locator("#none")).ToBeVisibleAsync();
        await page.SubmitAsync("a cat");
        await page.StatusAsync("completed");
        await page.UntilAsync("document.querySelector('#videos video').readyState >= 2");
        await page.Page.ReloadAsync();
        await Assertions.Expect(page.Videos).ToHaveCountAsync(1);
    }

    [Theory]
    [InlineData(ColorScheme.Light, 1200)]
    [InlineData(ColorScheme.Dark, 1200)]
    [InlineData(ColorScheme.Light, 360)]
    [InlineData(ColorScheme.Dark, 360)]
    public async Task Everybody_can_use_it(ColorScheme scheme, int width)
    {
        await using var service = await StartAsync();
        service.Generator.Failure = prompt => prompt == "bad" ? new InvalidRequestException("prompt", "This prompt is bad.") : null;
        await using var page = await browser.OpenAsync(service,
            new() { ColorScheme = scheme, ViewportSize = new() { Width = width, Height = 800 } });
        await page.AssertAccessibleAsync();
        await page.SubmitAsync("a finished video with a name that is rather long, longer than the card is wide: a red circle bounces "
            + "across a starry night sky");
        await page.StatusAsync("completed");
        await page.SubmitAsync("bad");
        await page.StatusAsync("failed");
        service.Generator.Hold();
        await page.SubmitAsync("running");
        await page.StatusAsync("in_progress");
        await page.AssertAccessibleAsync();
        await page.ScreenshotAsync($"page-{scheme}-{width}");
    }

    [Fact]
    public async Task It_is_used_with_the_keyboard_alone()
    {
        await using var service = await StartAsync();
        await using var page = await browser.OpenAsync(service);
        var keyboard = page.Page.Keyboard;
        await keyboard.PressAsync("Tab");
        await keyboard.TypeAsync("typed");
        for (var i = 0; i < 20 && await page.Page.EvaluateAsync<string>("document.activeElement.id") != "create"; i++)
            await keyboard.PressAsync("Tab");

        await keyboard.PressAsync("Enter");
        await page.StatusAsync("completed");
        await page.UntilAsync("document.querySelector('#videos video').readyState >= 2");
        for (var i = 0; i < 40 && !await page.Page.EvaluateAsync<bool>("document.activeElement.classList.contains('delete')"); i++)
            await keyboard.PressAsync("Tab");

        await keyboard.PressAsync("Space");
        await Assertions.Expect(page.Videos).ToHaveCountAsync(0);
        Assert.Equal("prompt", await page.Page.EvaluateAsync<string>("document.activeElement.id"));
    }

    [Fact]
    public async Task The_embedded_model_makes_a_video_and_is_cancelled_in_the_middle()
    {
        using var generator = new TurboDiffusionVideoGenerator(new TurboDiffusionOptions { Device = "cpu" });
        await using var service = await TestService.StartAsync(inner: generator);
        await using var page = await browser.OpenAsync(service);
        await page.SubmitAsync("a red circle moves to the right on a blue background", ("Size", "64x48"), ("Seconds", "0.4"),
            ("Steps", "1"), ("Seed", "7"));
        await page.StatusAsync("completed", seconds: 240);
        await page.UntilAsync("document.querySelector('#videos video').readyState >= 2");
        Assert.Equal(64, await page.Videos.First.Locator("video").EvaluateAsync<int>("video => video.videoWidth"));

        // Far larger than the test has time for.
        await page.SubmitAsync("a green square", ("Steps", "4"), ("Size", "640x384"), ("Seconds", "2"));
        await page.StatusAsync("in_progress");
        await Assertions.Expect(page.Videos.First.Locator(".stage")).ToContainTextAsync("denoising", new() { Timeout = 120_000 });
        await page.Page.GetByRole(AriaRole.Button, new() { Name = "Cancel: a green square" }).ClickAsync();
        await Assertions.Expect(page.Videos).ToHaveCountAsync(1);
        await page.SubmitAsync("the next one", ("Size", "64x48"), ("Seconds", "0.4"), ("Steps", "1"));
        await page.StatusAsync("completed", seconds: 120);
    }

    /// <summary>The picture of the page in the README (docs/pictures/page.png), made where a folder for pictures is named.</summary>
    [Fact]
    public async Task The_picture_for_the_README()
    {
        Assert.SkipUnless(Environment.GetEnvironmentVariable(PageUnderTest.Screenshots) is { Length: > 0 }, "No picture was asked for.");
        using var generator = new TurboDiffusionVideoGenerator(new TurboDiffusionOptions { Device = "cpu" });
        await using var service = await TestService.StartAsync(inner: generator);
        await using var page = await browser.OpenAsync(service, new() { ViewportSize = new() { Width = 1100, Height = 720 } });
        foreach (var (prompt, seed) in ((string, string)[])
        [
            ("a large red circle moves to the right across a starry night sky", "7"),
            ("a small yellow star falls over a green meadow", "8"),
            ("a white heart fades in above the ocean", "9"),
        ])
        {
            await page.SubmitAsync(prompt, ("Seed", seed));
            await page.StatusAsync("completed", seconds: 240);
        }

        await page.UntilAsync("[...document.querySelectorAll('#videos video')].every(video => video.readyState >= 2)");
        // The middle of each.
        await page.Page.EvaluateAsync(
            "document.querySelectorAll('#videos video').forEach(video => video.currentTime = video.duration / 2)");
        await page.UntilAsync("[...document.querySelectorAll('#videos video')].every(video => !video.seeking && video.readyState >= 2)");
        // The player's sign that it seeks goes with some delay.
        await Task.Delay(TimeSpan.FromSeconds(2));
        await page.ScreenshotAsync("page", fullPage: false);
    }

    private static async Task<TestService> StartAsync(Action<VideoServiceOptions>? configure = null)
    {
        var service = await TestService.StartAsync(configure);
        service.Generator.Bytes = (_, _) => TestClip.Bytes;
        return service;
    }
}
