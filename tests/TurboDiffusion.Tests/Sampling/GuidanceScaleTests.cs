using System.Text.Json;
using TurboDiffusion.Sampling;
using Xunit;

namespace TurboDiffusion.Tests.Sampling;

public class GuidanceScaleTests
{
    [Theory]
    [InlineData("5", 5, 5, "5")]
    [InlineData("3, 4", 3, 4, "3,4")]
    [InlineData("3.5,3.5", 3.5, 3.5, "3.5")]
    public void One_number_or_two_are_read_and_written(string text, double low, double high, string written)
    {
        Assert.True(GuidanceScale.TryParse(text, out GuidanceScale scale));
        Assert.Equal((low, high, written), (scale.Of(1), scale.Of(0), scale.ToString()));
        Assert.Equal(scale, JsonSerializer.Deserialize<GuidanceScale>(JsonSerializer.Serialize(scale)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a")]
    [InlineData("1,")]
    [InlineData("1,2,3")]
    public void Anything_else_is_not(string text) => Assert.False(GuidanceScale.TryParse(text, out _));

    [Fact]
    public void In_JSON_two_are_in_brackets_low_noise_first()
    {
        Assert.Equal("[3,4]", JsonSerializer.Serialize(new GuidanceScale(LowNoise: 3, HighNoise: 4)));
        Assert.Equal("5", JsonSerializer.Serialize<GuidanceScale>(5));
        foreach (string wrong in (string[])["[1]", "[1,2,3]", "\"5\"", "{}"])
            Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<GuidanceScale>(wrong));
    }

    [Fact]
    public void What_cannot_be_used_is_refused()
    {
        new GuidanceScale(3, 4).Check(experts: 2);
        new GuidanceScale(0, 0).Check(experts: 1);
        Assert.Contains("one number", Assert.Throws<InvalidRequestException>(() => new GuidanceScale(3, 4).Check(experts: 1)).Message);
        foreach (GuidanceScale wrong in (GuidanceScale[])[-1, 101, double.NaN, double.PositiveInfinity, new(3, double.NaN), new(-1, 3)])
            Assert.Throws<InvalidRequestException>(() => wrong.Check(experts: 2));
    }
}
