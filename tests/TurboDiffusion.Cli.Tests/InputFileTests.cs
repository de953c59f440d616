using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Configuration;
using TurboDiffusion.Cli.Serving;
using Xunit;

namespace TurboDiffusion.Cli.Tests;

/// <summary>Every option of a command that names a file to read, given what is no file: one line at once.</summary>
public class InputFileTests(Models models)
{
    private static readonly string[] Kinds = ["pipe", "socket", "circle", "/dev/zero", "folder"];

    [Theory]
    [InlineData("inspect", "FILE")]
    [InlineData("convert", "FILE", "OUT")]
    [InlineData("quantize", "FILE", "OUT")]
    [InlineData("merge", "FILE", "FILE", "FILE", "OUT")]
    [InlineData("merge", "TRANSFORMER", "OUT", "--lora", "FILE")]
    [InlineData("generate", "x", "--image", "FILE", "-o", "OUT/")]
    [InlineData("generate", "x", "--model", "MODEL", "--transformer", "FILE", "-o", "OUT/")]
    [InlineData("generate", "x", "--model", "MODEL", "--vae", "FILE", "-o", "OUT/")]
    [InlineData("generate", "x", "--model", "MODEL", "--text-encoder", "FILE", "-o", "OUT/")]
    [InlineData("generate", "x", "--model", "MODEL", "--tokenizer", "FILE", "-o", "OUT/")]
    [InlineData("generate", "x", "--model", "MODEL", "--lora", "FILE", "-o", "OUT/")]
    [InlineData("serve", "--data", "OUT", "--settings", "FILE")]
    [InlineData("train", "vae", "--config", "FILE")]
    [InlineData("evaluate", "--plan", "FILE")]
    [InlineData("world", "OUT", "--vae", "FILE", "--clips", "1")]
    public async Task What_is_no_file_is_one_line_at_once(params string[] command)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Devices of Linux");
        foreach (string kind in Kinds)
        {
            string folder = models.NewFolder(), file = Make(kind, Path.Combine(folder, "in"));
            string[] args = [.. command.Select(a => a switch
            {
                "FILE" => file,
                "MODEL" => models.Folder,
                "TRANSFORMER" => models.Files.Transformer,
                "OUT" => Path.Combine(folder, "out.safetensors"),
                "OUT/" => Path.Combine(folder, "out.mp4"),
                _ => a,
            })];
            CommandRun run = await Task.Run(() => CommandRun.Of(args)).WaitAsync(TimeSpan.FromSeconds(60));
            Assert.True(run.ExitCode == 1, $"{kind}: {run.ExitCode} {run.Error}");
            Assert.Matches("cannot be read|not a regular file|is a folder|not a checkpoint|no checkpoint|holds no|not a file",
                Assert.Single(run.Errors));
            Assert.DoesNotContain("Exception", run.Error);
        }
    }

    [Fact]
    public void Videos_and_captions_that_are_no_files_are_told()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Devices of Linux");
        foreach (string kind in Kinds.Where(k => k is "pipe" or "socket" or "circle"))
        {
            string folder = models.NewFolder();
            Make(kind, Path.Combine(folder, "clip.mp4"));
            File.WriteAllText(Path.Combine(folder, "clip.txt"), "a cat\r\n");
            CommandRun run = CommandRun.Of("encode", folder, Path.Combine(models.NewFolder(), "out"), "--model", models.Folder, "--size",
                "16x16", "--frames", "5");
            Assert.Equal(1, run.ExitCode);
            Assert.DoesNotContain("Exception", run.Error);
        }
    }

    [Fact]
    public void Settings_have_carriage_returns_comments_and_a_mark_and_no_section_that_nothing_reads()
    {
        string path = Path.Combine(models.NewFolder(), "settings.json");
        File.WriteAllText(path,
            "{\r\n  // Of another system.\r\n  \"videoService\": { \"ApiKeys\": { \"a\": \"h\" } },\r\n}\r\n", Encoding.Unicode);
        var configuration = new ConfigurationManager();
        ServiceSettings.Add(configuration, path);
        Assert.Equal("h", configuration["VideoService:ApiKeys:a"]);
        foreach ((string json, string expected) in new[]
        {
            ("{ \"VidoService\": { \"ApiKeys\": { \"a\": \"h\" } } }", "Did you mean VideoService?"),
            ("{ \"ApiKeys\": { \"a\": \"h\" } }", "which nothing reads"),
            ("{ \"VideoService\": {}, \"VideoService\": {} ", "cannot be read"),
            ("[]", "cannot be read"),
            ("", "cannot be read"),
        })
        {
            File.WriteAllText(path, json);
            Assert.Contains(expected, Assert.Throws<InvalidRequestException>(() =>
                ServiceSettings.Add(new ConfigurationManager(), path)).Message);
        }
    }

    private static string Make(string kind, string path)
    {
        switch (kind)
        {
            case "pipe":
                using (Process process = Process.Start("mkfifo", [path])) process.WaitForExit();
                break;
            case "socket":
                // The name stays when the socket is gone.
                using (var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
                {
                    string local = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
                    socket.Bind(new UnixDomainSocketEndPoint(local));
                    File.Move(local, path);
                }
                break;
            case "circle": File.CreateSymbolicLink(path, path); break;
            case "folder": Directory.CreateDirectory(path); break;
            default: return kind;
        }
        return path;
    }
}
