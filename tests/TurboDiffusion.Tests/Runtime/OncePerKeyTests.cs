using TurboDiffusion.Runtime;
using Xunit;

namespace TurboDiffusion.Tests.Runtime;

public class OncePerKeyTests
{
    [Fact]
    public void A_value_is_made_once_for_each_key()
    {
        int made = 0;
        var values = new OncePerKey<string, string>(key => $"{key} {Interlocked.Increment(ref made)}");
        Parallel.For(0, 64, _ => Assert.Equal("a 1", values.Of("a")));
        Assert.Equal(("b 2", "a 1"), (values.Of("b"), values.Of("a")));
    }

    [Fact]
    public void What_failed_is_made_again_and_then_kept()
    {
        int made = 0;
        var values = new OncePerKey<int, int>(key => ++made < 3 ? throw new IOException($"try {made}") : key + made);
        Assert.Equal("try 1", Assert.Throws<IOException>(() => values.Of(7)).Message);
        Assert.Equal("try 2", Assert.Throws<IOException>(() => values.Of(7)).Message);
        Assert.Equal((10, 10), (values.Of(7), values.Of(7)));
        Assert.Equal(3, made);
    }
}
