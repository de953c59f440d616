using Microsoft.Playwright;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>
/// Headless Chromium, started once for the tests of the page. TURBODIFFUSION_CHROMIUM names another than /usr/bin/chromium.
/// </summary>
public sealed class Browser : IAsyncLifetime
{
    // Chromium looks for nothing outside this machine.
    private static readonly string[] Arguments =
    [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required",
    ];

    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public async ValueTask InitializeAsync()
    {
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions
        {
            ExecutablePath = Environment.GetEnvironmentVariable("TURBODIFFUSION_CHROMIUM") ?? "/usr/bin/chromium",
            Args = Arguments,
            Timeout = 60_000,
        });
    }

    /// <summary>A new page in a new profile. What it complains of on its console, and what it asks of others, fails the test.</summary>
    internal async Task<PageUnderTest> OpenAsync(TestService service, BrowserNewContextOptions? options = null)
    {
        var context = await _browser!.NewContextAsync(options);
        context.SetDefaultTimeout(60_000);
        var page = await context.NewPageAsync();
        var result = new PageUnderTest(context, page);
        page.Console += (_, message) =>
        {
            // A refused request is told by the page; Chromium notes it on the console as well.
            if (message.Type == "error" && !message.Text.StartsWith("Failed to load resource", StringComparison.Ordinal))
                result.Complaints.Enqueue(message.Text);
        };
        page.PageError += (_, error) => result.Complaints.Enqueue(error);
        page.Request += (_, request) =>
        {
            var uri = new Uri(request.Url);
            if (uri.Scheme is "http" or "https" && uri.Authority != service.Address.Authority)
                result.Complaints.Enqueue($"asked {request.Url}");
        };
        await page.GotoAsync(service.Address.ToString());
        return result;
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
            await _browser.CloseAsync();

        _playwright?.Dispose();
    }
}
