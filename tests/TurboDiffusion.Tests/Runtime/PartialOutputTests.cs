using TurboDiffusion.Runtime;
using TurboDiffusion.Tests.Media;
using Xunit;

namespace TurboDiffusion.Tests.Runtime;

public sealed class PartialOutputTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_killed_writers_left_is_removed_and_what_living_ones_write_is_not()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Folders are locked on Linux");
        string abandonedFile = PartialOutput.NewName(), abandonedFolder = PartialOutput.NewName();
        using PartialOutput file = PartialOutput.OfFile(_folder.File("living.txt")),
            folder = PartialOutput.OfFolder(_folder.File("living"));
        File.WriteAllText(_folder.File(abandonedFile), "half");
        File.WriteAllText(Path.Combine(Directory.CreateDirectory(_folder.File(abandonedFolder)).FullName, "frame_00000.png"), "half");
        File.WriteAllText(_folder.File(".turbodiffusion-notes"), "mine");
        // Looked at once for each folder: by another name of it, as another process would.
        AtomicFile.WriteText(Path.Combine(_folder.Path, ".", "..", Path.GetFileName(_folder.Path), "new.txt"), "whole");
        PartialOutput.Sweep(_folder.Path + "/.");
        Assert.Equal(new[] { ".turbodiffusion-notes", "new.txt", file.Name, folder.Name }.Order(StringComparer.Ordinal), _folder.Entries);
        file.Stream!.Write("whole"u8);
        file.Commit(overwrite: false);
        folder.Commit(overwrite: false);
        Assert.Equal([".turbodiffusion-notes", "living", "living.txt", "new.txt"], _folder.Entries);
    }

    [Fact]
    public void A_file_is_replaced_only_when_asked_for_and_an_error_leaves_it()
    {
        string path = _folder.File("file.txt");
        AtomicFile.WriteText(path, "old");
        using (PartialOutput partial = PartialOutput.OfFile(path)) Assert.Throws<IOException>(() => partial.Commit(overwrite: false));
        Assert.Throws<NotSupportedException>(() => AtomicFile.Write(path, file =>
        {
            file.WriteByte(1);
            throw new NotSupportedException();
        }));
        Assert.Equal("old", File.ReadAllText(path));
        AtomicFile.WriteText(path, "new");
        Assert.Equal("new", File.ReadAllText(path));
        Assert.Equal(["file.txt"], _folder.Entries);
    }

    [Fact]
    public void A_folder_is_swapped_with_the_one_that_is_there()
    {
        string path = _folder.File("frames");
        File.WriteAllText(Path.Combine(Directory.CreateDirectory(path).FullName, "old"), "");
        using (PartialOutput partial = PartialOutput.OfFolder(path))
        {
            File.WriteAllText(Path.Combine(partial.Path, "new"), "");
            Assert.Throws<IOException>(() => partial.Commit(overwrite: false));
            Assert.True(File.Exists(Path.Combine(path, "old")));
            partial.Commit(overwrite: true);
        }
        Assert.Equal(["frames"], _folder.Entries);
        Assert.Equal("new", Path.GetFileName(Assert.Single(Directory.GetFiles(path))));
    }

    [Theory]
    [InlineData("/proc/nowhere/file.txt")]
    [InlineData("/dev/null/file.txt")]
    [InlineData("a\0b")]
    public void What_cannot_be_written_is_an_error_that_names_it(string path)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Names of Linux");
        EnvironmentException error = Assert.Throws<EnvironmentException>(() => AtomicFile.WriteText(path, "x"));
        Assert.StartsWith(path.Replace('\0', '?'), error.Message);
    }

    // As .NET tells EDQUOT, which a file system without quotas never gives.
    [Fact]
    public void A_quota_that_is_used_up_keeps_the_old_file()
    {
        string path = _folder.File("file.txt");
        AtomicFile.WriteText(path, "old");
        EnvironmentException error = Assert.Throws<EnvironmentException>(() => AtomicFile.Write(path, file =>
        {
            file.WriteByte(1);
            throw new IOException("Disk quota exceeded", 122);
        }));
        Assert.Equal("disk", error.Dependency);
        Assert.Contains($"{path} cannot be written: Disk quota exceeded", error.Message);
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal(["file.txt"], _folder.Entries);
    }

    [Fact]
    public void A_full_disk_keeps_the_old_file()
    {
        using var disk = new SmallDisk(64);
        string path = disk.File("file.bin");
        AtomicFile.WriteBytes(path, new byte[10_000]);
        Assert.Contains("No space left", Assert.Throws<EnvironmentException>(() => AtomicFile.WriteBytes(path, new byte[100_000])).Message);
        Assert.Contains("disk was full",
            Assert.Throws<EnvironmentException>(() => AtomicFile.Write(path, _ => { }, length: 100_000)).Message);
        Assert.Equal(["file.bin 10000"], disk.Content);
    }
}
