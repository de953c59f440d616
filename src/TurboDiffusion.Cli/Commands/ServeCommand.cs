using System.CommandLine;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Options;
using TurboDiffusion.AspNetCore.Security;
using TurboDiffusion.Cli.Serving;

namespace TurboDiffusion.Cli.Commands;

/// <summary><c>serve</c>: the model as a service with a page.</summary>
internal sealed class ServeCommand : CliCommand
{
    private const string DefaultListen = "http://127.0.0.1:5080";

    private readonly EngineOptions _engine = new();
    private readonly Option<string?> _listen = Opt.Text("--listen", "URL",
        $"Where to listen. Default: {DefaultListen}, for this machine alone. Others need API keys.");
    private readonly Option<string?> _data = Opt.Text("--data", "FOLDER",
        "Where jobs and videos are kept. Default: turbodiffusion/service among the user's application data.");
    private readonly Option<string?> _settings = Opt.Text("--settings", "FILE",
        "A JSON file with API keys, limits and all other settings (docs/service.md).");
    private readonly Option<bool> _newKey = Opt.Flag("--new-key", "Print a new API key and its hash, and end.");

    /// <summary>Creates the command.</summary>
    public ServeCommand(Terminal terminal)
        : base(terminal, "serve", "Serve videos over HTTP: OpenAI's /v1/videos, a page for browsers, and MCP.")
    {
        Add("Service", _listen, _data, _settings, _newKey);
        Add("Model", _engine.All);
        Details = "Jobs and videos outlive the process: what was waiting or running when it ended goes on at the next start. Ctrl-C ends "
            + "it.";
        Examples =
        [
            "serve",
            "serve --model TurboWan2.1-1.3B --data /var/lib/turbodiffusion",
            "serve --listen http://0.0.0.0:5080 --settings service.json",
            "serve --new-key",
        ];
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed)
    {
        if (parsed.GetValue(_newKey))
        {
            (string key, string hash) = ApiKey.New();
            Terminal.Out.WriteLine($"key   {key}");
            Terminal.Out.WriteLine($"hash  {hash}");
            return ExitCode.Success;
        }
        ServeAsync(parsed).GetAwaiter().GetResult();
        return ExitCode.Success;
    }

    private async Task ServeAsync(ParseResult parsed)
    {
        string listen = Checked(parsed.GetValue(_listen) ?? DefaultListen);
        try
        {
            await using WebApplication app = VideoServiceHost.Build(listen, parsed.GetValue(_settings),
                engine => _engine.Apply(parsed, engine),
                service => service.DataFolder = parsed.GetValue(_data) ?? service.DataFolder);
            await app.StartAsync(Terminal.Cancelled);
            Terminal.Error.WriteLine($"The page is at {app.Urls.First()}, the API at {app.Urls.First()}/v1. Ctrl-C ends the service.");
            await Task.Delay(Timeout.Infinite, Terminal.Cancelled).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await app.StopAsync(CancellationToken.None);
        }
        catch (OptionsValidationException e)
        {
            throw new InvalidRequestException("settings", $"The settings cannot be used. {string.Join(" ", e.Failures)}", e);
        }
        catch (Exception e) when (e is IOException or InvalidDataException or InvalidOperationException
            && !Terminal.Cancelled.IsCancellationRequested)
        {
            throw new EnvironmentException("service", $"The service cannot start: {ErrorMessage.OneLine(e)}", e);
        }
    }

    private static string Checked(string listen) => Uri.TryCreate(listen, UriKind.Absolute, out Uri? uri)
        && uri is { Scheme: "http", AbsolutePath: "/" }
        ? listen
        : throw new InvalidRequestException("listen",
            $"The address is '{listen}'; give one such as {DefaultListen}. For https, put a proxy in front (docs/service.md).");
}
