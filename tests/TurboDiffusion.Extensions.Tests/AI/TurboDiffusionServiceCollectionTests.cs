using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Microsoft.SemanticKernel;
using TurboDiffusion.Extensions.AI;
using Xunit;

namespace TurboDiffusion.Extensions.Tests.AI;

[Collection("device")]
public sealed class TurboDiffusionServiceCollectionTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Options_come_from_the_configuration_and_the_generator_is_one_for_all()
    {
        var builder = Builder(new()
        {
            ["Video:Model"] = EngineModels.TextToVideo,
            ["Video:Device"] = "cpu",
            ["Video:MaxQueuedRequests"] = "3",
            ["Video:Attention"] = "dense",
            ["Video:Dtype"] = "bfloat16",
            ["Video:Boundary"] = "0.875",
        });
        builder.Services.AddTurboDiffusion(builder.Configuration.GetSection("Video")).UseLogging().UseOpenTelemetry();
        using var host = builder.Build();
        await host.StartAsync(Token);

        var generator = host.Services.GetRequiredService<IVideoGenerator>();

        Assert.Same(generator, host.Services.GetRequiredService<IVideoGenerator>());
        Assert.NotNull(generator.GetService<LoggingVideoGenerator>());
        Assert.NotNull(generator.GetService<OpenTelemetryVideoGenerator>());
        var options = generator.GetRequiredService<TurboDiffusionOptions>();
        Assert.Equal((EngineModels.TextToVideo, 3, Operators.Attention.AttentionKind.Dense),
            (options.Model, options.MaxQueuedRequests, options.Attention));
        Assert.Equal((TorchSharp.torch.ScalarType.BFloat16, 0.875), (options.Dtype, options.Boundary));
        await host.StopAsync(Token);
    }

    [Theory]
    [InlineData("Device", "tpu", "Device is 'tpu'")]
    [InlineData("TopKRatio", "1.5", "TopKRatio is 1.5")]
    [InlineData("Dtype", "Int64", "Dtype is Int64")]
    [InlineData("Boundary", "1", "Boundary is 1")]
    [InlineData("MaxQueuedRequests", "-1", "MaxQueuedRequests is -1")]
    [InlineData("Model", "/no/such/model", "/no/such/model")]
    public async Task A_wrong_option_stops_the_application_when_it_starts(string key, string value, string message)
    {
        var builder = Builder(new() { ["Video:" + key] = value });
        builder.Services.AddTurboDiffusion(builder.Configuration.GetSection("Video"));
        using var host = builder.Build();

        var error = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync(Token));

        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_misspelt_option_stops_the_application_when_it_starts()
    {
        var builder = Builder(new() { ["Video:Modle"] = "x" });
        builder.Services.AddTurboDiffusion(builder.Configuration.GetSection("Video"));
        using var host = builder.Build();

        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => host.StartAsync(Token));

        Assert.Contains("Modle", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_change_of_the_options_is_refused_and_the_generator_keeps_its_own()
    {
        var builder = Builder(new() { ["Video:MaxQueuedRequests"] = "3" });
        builder.Services.AddTurboDiffusion(builder.Configuration.GetSection("Video"));
        using var host = builder.Build();
        await host.StartAsync(Token);
        var generator = host.Services.GetRequiredService<IVideoGenerator>();

        builder.Configuration["Video:MaxQueuedRequests"] = "4";
        var reload = Record.Exception(() => ((IConfigurationRoot)builder.Configuration).Reload());

        var refused = reload is AggregateException { InnerExceptions: [var inner, ..] } ? inner : reload;
        Assert.Contains("cannot change while the application runs; restart it", Assert.IsType<OptionsValidationException>(refused).Message,
            StringComparison.Ordinal);
        Assert.Equal(3, generator.GetRequiredService<TurboDiffusionOptions>().MaxQueuedRequests);
    }

    [Fact]
    public async Task Several_models_are_kept_apart_by_their_keys_and_disposed_with_the_container()
    {
        var services = new ServiceCollection();
        services.AddKeyedTurboDiffusion("text", options => (options.Model, options.Device) = (EngineModels.TextToVideo, "cpu"));
        services.AddKeyedTurboDiffusion("image", new ConfigurationBuilder().AddInMemoryCollection(
            new Dictionary<string, string?> { ["Model"] = EngineModels.ImageToVideo }).Build()).UseLogging();
        services.AddTurboDiffusion();
        IVideoGenerator text;
        await using (var provider = services.BuildServiceProvider())
        {
            text = provider.GetRequiredKeyedService<IVideoGenerator>("text");
            var image = provider.GetRequiredKeyedService<IVideoGenerator>("image");
            Assert.Equal(EngineModels.TextToVideo, text.GetRequiredService<TurboDiffusionOptions>().Model);
            Assert.Equal(EngineModels.ImageToVideo, image.GetRequiredService<TurboDiffusionOptions>().Model);
            Assert.Null(provider.GetRequiredService<IVideoGenerator>().GetRequiredService<TurboDiffusionOptions>().Model);
        }

        await Assert.ThrowsAsync<ObjectDisposedException>(() => text.GenerateVideoAsync("a cat", cancellationToken: Token));
    }

    [Fact]
    public async Task The_health_check_tells_what_went_wrong()
    {
        var broken = Directory.CreateTempSubdirectory("turbodiffusion-").FullName;
        foreach (var file in Directory.GetFiles(EngineModels.TextToVideo))
            File.Copy(file, Path.Combine(broken, Path.GetFileName(file)));
        var services = new ServiceCollection().AddLogging();
        services.AddKeyedTurboDiffusion("key", options => (options.Model, options.Device) = (broken, "cpu"));
        services.AddHealthChecks().AddTurboDiffusion("video", "key");
        await using var provider = services.BuildServiceProvider();
        var health = provider.GetRequiredService<HealthCheckService>();
        var generator = provider.GetRequiredKeyedService<IVideoGenerator>("key");

        var before = (await health.CheckHealthAsync(Token)).Entries["video"];
        Assert.Equal((HealthStatus.Healthy, (object)false), (before.Status, before.Data["loaded"]));

        File.Delete(Path.Combine(broken, "vae.safetensors"));
        await Assert.ThrowsAsync<CheckpointException>(() => generator.GenerateVideoAsync("a cat", cancellationToken: Token));
        var failed = (await health.CheckHealthAsync(Token)).Entries["video"];
        Assert.Equal(HealthStatus.Unhealthy, failed.Status);
        Assert.Contains("vae.safetensors", failed.Description, StringComparison.Ordinal);

        File.Copy(Path.Combine(EngineModels.TextToVideo, "vae.safetensors"), Path.Combine(broken, "vae.safetensors"));
        await generator.GenerateVideoAsync("a cat", new()
        {
            VideoSize = new(32, 32),
            ResponseFormat = VideoGenerationResponseFormat.Data,
            RawRepresentationFactory = _ => new TurboDiffusionRequestOptions { Frames = 1, Steps = 1 },
        }, Token);
        var after = (await health.CheckHealthAsync(Token)).Entries["video"];
        Assert.Equal((HealthStatus.Healthy, (object)true), (after.Status, after.Data["loaded"]));
        Directory.Delete(broken, recursive: true);
    }

    [Fact]
    public async Task Without_a_libtorch_the_caller_gets_one_typed_error_and_the_health_check_is_unhealthy()
    {
        var start = new System.Diagnostics.ProcessStartInfo(
            "dotnet", [Path.Combine(AppContext.BaseDirectory, "TurboDiffusion.Extensions.Tests.Loader.dll"), "without-libtorch"])
        {
            RedirectStandardOutput = true,
        };
        start.Environment["TURBODIFFUSION_LIBTORCH"] = "/no/such/folder";
        using var process = System.Diagnostics.Process.Start(start)!;
        var said = (await process.StandardOutput.ReadToEndAsync(Token)).Trim();
        await process.WaitForExitAsync(Token);

        Assert.StartsWith("Unhealthy|EnvironmentException|Unhealthy|True|TURBODIFFUSION_LIBTORCH=/no/such/folder has no libc10.so", said,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_kernel_gets_the_engine_with_and_without_a_key()
    {
        var builder = Kernel.CreateBuilder()
            .AddTurboDiffusionVideoGenerator()
            .AddTurboDiffusionVideoGenerator(options => options.Device = "cpu", "small");
        var kernel = builder.Build();

        Assert.Equal("auto", kernel.GetRequiredService<IVideoGenerator>().GetRequiredService<TurboDiffusionOptions>().Device);
        Assert.Equal("cpu", kernel.GetRequiredService<IVideoGenerator>("small").GetRequiredService<TurboDiffusionOptions>().Device);
        Assert.NotNull(new ServiceCollection().AddTurboDiffusionVideoGenerator().Build(kernel.Services)
            .GetService<TurboDiffusionVideoGenerator>());
    }

    private static HostApplicationBuilder Builder(Dictionary<string, string?> configuration)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Configuration.AddInMemoryCollection(configuration);
        return builder;
    }
}
