using Microsoft.ML.Transforms;

namespace TurboDiffusion.ML;

/// <summary>Lets a loaded ML.NET model find the mapping.</summary>
[CustomMappingFactoryAttribute(VideoMapping.TextContract)]
internal sealed class TextVideoMappingFactory : CustomMappingFactory<VideoMapping.TextInput, VideoMapping.Output>
{
    public override Action<VideoMapping.TextInput, VideoMapping.Output> GetMapping() => new VideoMapping().MapText;
}
