using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Generation.Text;
using TurboDiffusion.Runtime;
using TurboDiffusion.Tests.Media;
using Xunit;

namespace TurboDiffusion.Tests.Runtime;

/// <summary>Every reader of files, given what is no file: a typed error at once.</summary>
public sealed class InputFileTests : IDisposable
{
    private static readonly (string Name, Action<string> Read)[] Readers =
    [
        ("checkpoint", path => Checkpoint.Open(path).Dispose()),
        ("safetensors", path => SafetensorsFile.Open(path).Dispose()),
        ("pth", path => PyTorchFile.Open(path).Dispose()),
        ("index", path => ShardedCheckpoint.Open(path).Dispose()),
        ("image", path => ImageReader.Read(path).Dispose()),
        ("size of an image", path => ImageReader.ReadSize(path)),
        ("tokenizer", path => SentencePieceTextTokenizer.Open(path)),
        ("video", path => VideoReader.ReadClips(path, new VideoFormat(16, 16, 8), 1).Count()),
    ];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("pipe", "a named pipe")]
    [InlineData("link to a pipe", "a named pipe")]
    [InlineData("/dev/zero", "a device")]
    [InlineData("/dev/null", "a device")]
    [InlineData("link to a device", "a device")]
    [InlineData("socket", "a socket")]
    [InlineData("folder", "a folder")]
    [InlineData("circle", "symbolic links")]
    [InlineData("too/deep", "exist|directory|File name too long")]
    [InlineData("nul\0name", "no name can have")]
    public async Task What_is_no_file_is_refused_at_once_by_every_reader(string kind, string reason)
    {
        string path = Make(kind);
        foreach ((string name, Action<string> read) in Readers)
        {
            // A folder can be a checkpoint.
            if (kind == "folder" && name == "checkpoint") continue;
            Exception? error = null;
            await Task.Run(() => error = Record.Exception(() => read(path))).WaitAsync(TimeSpan.FromSeconds(20));
            Assert.True(error is TurboDiffusionException, $"{name}: {error}");
            Assert.Matches($"{reason}|does not exist", error!.Message);
        }
    }

    [Theory]
    [InlineData("pipe")]
    [InlineData("/dev/zero")]
    [InlineData("circle")]
    [InlineData("folder")]
    public async Task A_model_description_that_is_no_file_is_refused(string kind)
    {
        string model = Directory.CreateDirectory(_folder.File("model")).FullName;
        File.CreateSymbolicLink(Path.Combine(model, ModelFiles.DescriptionFile), Make(kind));
        await Task.Run(() => Assert.Throws<CheckpointException>(() => ModelFiles.FromFolder(model))).WaitAsync(TimeSpan.FromSeconds(20));
    }

    [Fact]
    public void A_file_is_read_whole_up_to_the_limit_in_every_mark_of_unicode()
    {
        string path = _folder.File("text.txt");
        foreach (Encoding encoding in new Encoding[] { new UTF8Encoding(false), new UTF8Encoding(true), Encoding.Unicode,
            Encoding.BigEndianUnicode, Encoding.UTF32 })
        {
            File.WriteAllText(path, "größe 猫\r\n", encoding);
            Assert.Equal("größe 猫\r\n", InputFile.ReadText(path, 100));
        }
        Assert.Contains("at most 3", Assert.Throws<IOException>(() => InputFile.ReadBytes(path, 3)).Message);
        File.WriteAllBytes(path, [(byte)'g', 0xf6]);
        Assert.Contains("UTF-8", Assert.Throws<IOException>(() => InputFile.ReadText(path, 100)).Message);
    }

    [Fact]
    public void A_description_with_carriage_returns_and_a_mark_is_read()
    {
        File.WriteAllText(_folder.File(ModelFiles.DescriptionFile), """
            {
              // Written on another system.
              "name": "n", "transformer": "t", "vae": "v", "textEncoder": "e", "tokenizer": "k",
            }
            """.ReplaceLineEndings("\r\n"), Encoding.Unicode);
        Assert.Equal("n", ModelFiles.FromFolder(_folder.Path).Name);
    }

    private string Make(string kind)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Devices of Linux");
        string path = _folder.File("input");
        switch (kind)
        {
            case "pipe": MakePipe(path); break;
            case "link to a pipe": MakePipe(_folder.File("pipe")); File.CreateSymbolicLink(path, _folder.File("pipe")); break;
            case "link to a device": File.CreateSymbolicLink(path, "/dev/zero"); break;
            case "socket":
                using (var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
                    socket.Bind(new UnixDomainSocketEndPoint(path));
                if (!File.Exists(path)) Assert.Skip("The socket's file went with it.");
                break;
            case "folder": Directory.CreateDirectory(path); break;
            case "circle": File.CreateSymbolicLink(path, path); break;
            case "too/deep": return path + "/" + string.Join('/', Enumerable.Repeat("a", 3000));
            default: return kind;
        }
        return path;
    }

    private static void MakePipe(string path)
    {
        using Process process = Process.Start("mkfifo", [path]);
        process.WaitForExit();
    }
}
