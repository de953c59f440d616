using System.Drawing;
using System.Reflection;
using System.Text.Json;
using Microsoft.Extensions.AI;
using TurboDiffusion.Extensions.AI;
using Xunit;

namespace TurboDiffusion.Extensions.Tests.Abstractions;

public sealed class VideoGenerationOptionsTests
{
    private static readonly PropertyInfo[] Properties = typeof(VideoGenerationOptions).GetProperties();

    public static TheoryData<string> PropertyNames => [.. Properties.Select(property => property.Name)];

    [Theory]
    [MemberData(nameof(PropertyNames))]
    public void A_clone_keeps_every_property(string name)
    {
        var property = typeof(VideoGenerationOptions).GetProperty(name)!;
        var options = Filled();
        var value = property.GetValue(options);
        Assert.NotNull(value);

        Assert.Equal(value, property.GetValue(options.Clone()));
    }

    [Fact]
    public void A_clone_is_independent()
    {
        var options = Filled();

        var clone = options.Clone();
        clone.Seed = 99;
        clone.AdditionalProperties!["a"] = "changed";

        Assert.Equal(1, options.Seed);
        Assert.Equal("b", options.AdditionalProperties!["a"]);
    }

    [Fact]
    public void Options_survive_JSON_except_the_factory()
    {
        var json = JsonSerializer.Serialize(Filled(), AIJsonUtilities.DefaultOptions);
        var read = JsonSerializer.Deserialize<VideoGenerationOptions>(json, AIJsonUtilities.DefaultOptions)!;

        Assert.Null(read.RawRepresentationFactory);
        foreach (var property in Properties.Where(property =>
            property.Name is not (nameof(read.RawRepresentationFactory) or nameof(read.AdditionalProperties))))
            Assert.Equal(property.GetValue(Filled()), property.GetValue(read));
    }

    private static readonly Func<IVideoGenerator, object?> Factory = _ => 5;

    private static VideoGenerationOptions Filled() => new()
    {
        ModelId = "model",
        VideoSize = new Size(832, 480),
        AspectRatio = "16:9",
        Duration = TimeSpan.FromSeconds(5),
        FramesPerSecond = 16,
        Count = 2,
        Seed = 1,
        MediaType = "video/mp4",
        ResponseFormat = VideoGenerationResponseFormat.Data,
        StreamingCount = 3,
        RawRepresentationFactory = Factory,
        AdditionalProperties = new() { ["a"] = "b" },
    };
}
