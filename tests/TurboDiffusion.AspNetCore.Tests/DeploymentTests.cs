using System.Diagnostics;
using System.Text.Json;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>The files that install the service, as far as they can be read without installing it.</summary>
public sealed class DeploymentTests
{
    private static readonly string Folder = Path.Combine(Repository.Root, "samples", "VideoService");

    [Fact]
    public async Task Systemd_finds_nothing_wrong_with_the_unit()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/systemd-analyze"), "There is no systemd here.");
        var folder = Directory.CreateTempSubdirectory("turbodiffusion-unit-").FullName;
        try
        {
            // The program that it starts must be there, wherever .NET is here.
            var unit = await File.ReadAllTextAsync(Path.Combine(Folder, "turbodiffusion.service"));
            Assert.Contains("ExecStart=/usr/bin/dotnet ", unit);
            var (error, code) = await VerifyAsync(unit.Replace("/usr/bin/dotnet ", "/bin/true ", StringComparison.Ordinal));
            Assert.Equal(("", 0), (error, code));

            // It does say what is wrong.
            (error, _) = await VerifyAsync(unit.Replace("ProtectSystem=", "ProtectSystems=", StringComparison.Ordinal));
            Assert.Contains("ProtectSystems", error);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        async Task<(string Error, int Code)> VerifyAsync(string unit)
        {
            var file = Path.Combine(folder, "turbodiffusion.service");
            await File.WriteAllTextAsync(file, unit);
            using var process = Process.Start(
                new ProcessStartInfo("/usr/bin/systemd-analyze", ["verify", "--man=no", file]) { RedirectStandardError = true })!;
            var said = await process.StandardError.ReadToEndAsync();
            await process.WaitForExitAsync();
            return (said, process.ExitCode);
        }
    }

    /// <summary>What a container file copies, publishes and starts is in the repository, or made by an earlier line.</summary>
    [Fact]
    public void The_container_file_names_what_is_there()
    {
        string[][] lines = [.. File.ReadLines(Path.Combine(Folder, "Containerfile"))
            .Where(line => line.Length > 0 && line[0] != '#').Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))];
        var stages = lines.Where(line => line[0] == "FROM" && line.Length == 4).Select(line => line[3]).ToArray();
        var copies = lines.Where(line => line[0] == "COPY").ToArray();
        Assert.NotEmpty(copies);
        foreach (var copy in copies)
        {
            if (copy[1].Split("--from=") is ["", var stage])
                Assert.Contains(stage, stages);
            else
                Assert.All(copy[1..^1], path => Assert.True(Path.Exists(Path.Combine(Repository.Root, path)), path));
        }

        var publish = Assert.Single(lines, line => line is ["RUN", "dotnet", "publish", ..]);
        Assert.True(File.Exists(Path.Combine(Repository.Root, publish[3], $"{Path.GetFileName(publish[3])}.csproj")), publish[3]);
        var output = publish[Array.IndexOf(publish, "-o") + 1];
        Assert.Contains(copies, copy => copy is ["COPY", "--from=build", _, _] && copy[2] == output);
        var start = string.Join(' ', Assert.Single(lines, line => line[0] == "ENTRYPOINT"));
        Assert.Contains($"{output}/{Path.GetFileName(CommandProcess.Program)}", start);
        Assert.True(File.Exists(CommandProcess.Program));
    }

    /// <summary>What the container asks itself is asked here of the service as it is built, while it runs and after.</summary>
    [Fact]
    public async Task The_container_files_health_check_says_whether_the_service_answers()
    {
        var line = File.ReadLines(Path.Combine(Folder, "Containerfile"))
            .Single(line => line.StartsWith("HEALTHCHECK ", StringComparison.Ordinal));
        var command = JsonSerializer.Deserialize<string[]>(line[line.IndexOf('[', StringComparison.Ordinal)..])!;
        var folder = Directory.CreateTempSubdirectory("turbodiffusion-health-").FullName;
        try
        {
            Uri address;
            await using (var service = await CommandProcess.ServeAsync("--data", folder, "--model", CommandProcess.SmallModelFolder))
            {
                address = service.Address;
                Assert.Equal(0, await AskAsync());
            }

            Assert.NotEqual(0, await AskAsync());

            async Task<int> AskAsync()
            {
                Assert.Contains("/5080", command[^1]);
                using var process = Process.Start(new ProcessStartInfo(command[0],
                    [.. command[1..^1], command[^1].Replace("/5080", $"/{address.Port}", StringComparison.Ordinal)])
                {
                    RedirectStandardError = true,
                })!;
                await process.WaitForExitAsync();
                return process.ExitCode;
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void What_is_built_here_is_not_sent_to_the_image()
    {
        var ignored = File.ReadLines(Path.Combine(Repository.Root, ".dockerignore")).ToArray();
        foreach (var entry in (string[])["**/bin", "**/obj", ".git", "artifacts"])
            Assert.Contains(entry, ignored);
    }

    [Fact]
    public void The_compose_file_starts_the_image_that_its_head_builds()
    {
        var compose = File.ReadAllText(Path.Combine(Folder, "compose.yaml"));
        Assert.Contains("podman build -f samples/VideoService/Containerfile -t turbodiffusion .", compose);
        Assert.Equal(2, compose.Split('\n').Count(line => line == "    image: turbodiffusion"));
    }
}
