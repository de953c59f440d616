using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using ModelContextProtocol.Server;
using TurboDiffusion.Cli.Serving;
using TurboDiffusion.Extensions.AI;

namespace TurboDiffusion.Cli.Commands;

/// <summary><c>mcp</c>: the model as a tool of a chat program that starts this one.</summary>
internal sealed class McpCommand : CliCommand
{
    private readonly EngineOptions _engine = new();
    private readonly Option<string?> _output = Opt.Text("--output", "FOLDER",
        "Where videos are written. Default: turbodiffusion-videos among the temporary files.", "-o");
    private readonly Option<string[]> _images = new("--images") { HelpName = "FOLDER",
        Description = "A folder whose images may be animated, with all below it; may be given several times. Default: none." };

    /// <summary>Creates the command.</summary>
    public McpCommand(Terminal terminal)
        : base(terminal, "mcp", "Offer the model to a chat program: a Model Context Protocol server on the standard input and output.")
    {
        Add("Files", _output, _images);
        Add("Model", _engine.All);
        Details = "The chat program starts it, asks for videos and is told of their progress. serve offers the same at /mcp over HTTP.";
        Examples = ["mcp", "mcp --model TurboWan2.2-I2V --images ~/Pictures --output ~/Videos"];
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.AddSimpleConsole();
        builder.Services.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(options =>
            options.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.Services.AddTurboDiffusion(options =>
        {
            _engine.Apply(parsed, options);
            options.OutputDirectory = parsed.GetValue(_output) ?? options.OutputDirectory;
        });
        builder.Services.AddMcpServer()
            .WithStdioServerTransport()
            .WithVideoGeneration(new VideoGenerationFunctionOptions { AllowedInputFolders = [.. parsed.GetValue(_images) ?? []] });
        using IHost host = builder.Build();
        host.RunAsync(Terminal.Cancelled).GetAwaiter().GetResult();
        return ExitCode.Success;
    }
}
