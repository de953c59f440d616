using System.Collections.Concurrent;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>A page in the browser, with what it complained of.</summary>
internal sealed class PageUnderTest(IBrowserContext context, IPage page) : IAsyncDisposable
{
    /// <summary>The variable that names the folder of pictures.</summary>
    public const string Screenshots = "TURBODIFFUSION_SCREENSHOTS";

    public IPage Page { get; } = page;

    public ConcurrentQueue<string> Complaints { get; } = [];

    /// <summary>The cards of videos, the newest first.</summary>
    public ILocator Videos => Page.Locator("#videos > li");

    public async Task SubmitAsync(string prompt, params (string Label, string Value)[] fields)
    {
        await Page.GetByLabel("Prompt").FillAsync(prompt);
        foreach (var (label, value) in fields)
            await Page.GetByLabel(label, new() { Exact = true }).FillAsync(value);

        await Page.GetByRole(AriaRole.Button, new() { Name = "Make video" }).ClickAsync();
    }

    /// <summary>Waits until the newest video has a status.</summary>
    public Task StatusAsync(string status, int seconds = 60) =>
        Assertions.Expect(Videos.First).ToHaveAttributeAsync("data-status", status, new() { Timeout = seconds * 1000 });

    /// <summary>Waits until an expression is true. Playwright's own wait evaluates text in the page, which its policy forbids.</summary>
    public async Task UntilAsync(string expression)
    {
        for (var i = 0; i < TestService.Patience && !await Page.EvaluateAsync<bool>(expression); i++)
            await Task.Delay(10);

        Assert.True(await Page.EvaluateAsync<bool>(expression), expression);
    }

    /// <summary>No rule of accessibility is broken, and nothing is wider than the window.</summary>
    public async Task AssertAccessibleAsync()
    {
        var result = await Page.RunAxe();
        Assert.Empty(result.Violations.SelectMany(v => v.Nodes.Select(n => $"{v.Id}: {v.Help}: {n.Html}")));
        Assert.True(result.Passes.Length > 10, "The checker has found hardly anything to check.");
        Assert.True(await Page.EvaluateAsync<bool>("document.documentElement.scrollWidth <= document.documentElement.clientWidth"),
            "The page is wider than its window.");
    }

    /// <summary>Keeps a picture where <see cref="Screenshots"/> names a folder for them.</summary>
    public async Task ScreenshotAsync(string name, bool fullPage = true)
    {
        if (Environment.GetEnvironmentVariable(Screenshots) is { Length: > 0 } folder)
            await Page.ScreenshotAsync(new() { Path = Path.Combine(folder, name + ".png"), FullPage = fullPage });
    }

    public async ValueTask DisposeAsync()
    {
        await context.CloseAsync();
        Assert.Empty(Complaints);
    }
}
