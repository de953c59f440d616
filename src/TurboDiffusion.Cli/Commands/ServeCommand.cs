using System.CommandLine;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Options;
using TurboDiffusion.AspNetCore.Security;
using TurboDiffusion.Cli.Serving;
using TurboDiffusion.Orleans;

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
    private readonly Option<string?> _cluster = Opt.Text("--cluster", "URL",
        "The Redis of a cluster, such as redis://10.0.0.5:6379: this process is one of its machines (docs/scale.md).");
    private readonly Option<VideoClusterRole?> _role = Opt.Choice<VideoClusterRole>("--role",
        "What it does for the cluster: take jobs (front), run them (worker), or both. Default: both.");
    private readonly Option<string?> _clusterAddress = Opt.Text("--cluster-address", "IP:PORT",
        "Where the cluster's other machines reach this one. Default: the machine's address and a free port.");
    private readonly Option<bool> _newKey = Opt.Flag("--new-key", "Print a new API key and its hash, and end.");

    /// <summary>Creates the command.</summary>
    public ServeCommand(Terminal terminal)
        : base(terminal, "serve", "Serve videos over HTTP: OpenAI's /v1/videos, a page for browsers, and MCP.")
    {
        Add("Service", _listen, _data, _settings, _newKey);
        Add("Cluster", _cluster, _role, _clusterAddress);
        Add("Model", _engine.All);
        Details = "Jobs and videos outlive the process: what was waiting or running when it ended goes on at the next start. Ctrl-C ends "
            + "it.";
        Examples =
        [
            "serve",
            "serve --model TurboWan2.1-1.3B --data /var/lib/turbodiffusion",
            "serve --listen http://0.0.0.0:5080 --settings service.json",
            "serve --cluster redis://10.0.0.5:6379 --role worker --model TurboWan2.1-1.3B --data /mnt/videos",
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
        bool isClustered = false, isWorker = false;
        try
        {
            await using WebApplication app = VideoServiceHost.Build(listen, parsed.GetValue(_settings),
                engine => _engine.Apply(parsed, engine),
                service => service.DataFolder = parsed.GetValue(_data) ?? service.DataFolder,
                cluster =>
                {
                    cluster.Redis = parsed.GetValue(_cluster) ?? cluster.Redis;
                    cluster.Role = parsed.GetValue(_role) ?? cluster.Role;
                    cluster.Address = parsed.GetValue(_clusterAddress) ?? cluster.Address;
                    if (cluster.Redis is null && (parsed.GetValue(_role) is not null || cluster.Address is not null))
                    {
                        throw new InvalidRequestException("cluster",
                            "A role and an address are for machines of a cluster; name its Redis with --cluster.");
                    }
                    (isClustered, isWorker) = (cluster.Redis is not null, cluster.Role == VideoClusterRole.Worker);
                });
            await app.StartAsync(Terminal.Cancelled);
            Terminal.Error.WriteLine(isClustered && isWorker
                ? $"The worker takes jobs; its health is at {app.Urls.First()}/health/ready. Ctrl-C ends it."
                : $"The page is at {app.Urls.First()}, the API at {app.Urls.First()}/v1. Ctrl-C ends the service.");
            await Task.Delay(Timeout.Infinite, Terminal.Cancelled).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await app.StopAsync(CancellationToken.None);
        }
        catch (OptionsValidationException e)
        {
            throw new InvalidRequestException("settings", $"The settings cannot be used. {string.Join(" ", e.Failures)}", e);
        }
        catch (Exception e) when ((isClustered || e is IOException or InvalidDataException or InvalidOperationException)
            && e is not TurboDiffusionException && !Terminal.Cancelled.IsCancellationRequested)
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
