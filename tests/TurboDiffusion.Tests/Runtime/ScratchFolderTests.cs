using TurboDiffusion.Runtime;
using Xunit;

namespace TurboDiffusion.Tests.Runtime;

public sealed class ScratchFolderTests
{
    [Fact]
    public void It_is_for_this_user_alone_and_removed_with_what_is_in_it()
    {
        string path;
        using (var folder = new ScratchFolder("a test"))
        {
            path = folder.Path;
            Assert.Equal(Path.TrimEndingDirectorySeparator(Path.GetTempPath()), Path.GetDirectoryName(path));
            Assert.Equal((byte[])[1, 2], File.ReadAllBytes(folder.Add("file", new byte[] { 1, 2 })));
            if (OperatingSystem.IsLinux())
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(path));
            // As a process that begins now would.
            PartialOutput.Sweep(Path.GetTempPath() + ".");
            Assert.True(Directory.Exists(path));
        }
        Assert.False(Directory.Exists(path));
    }
}
