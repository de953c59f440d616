using Microsoft.ML.Transforms;

namespace TurboDiffusion.ML;

/// <summary>Lets a loaded ML.NET model find the mapping for start and end images.</summary>
[CustomMappingFactoryAttribute(VideoMapping.EndImageContract)]
internal sealed class EndImageVideoMappingFactory : CustomMappingFactory<VideoMapping.EndImageInput, VideoMapping.Output>
{
    public override Action<VideoMapping.EndImageInput, VideoMapping.Output> GetMapping() => new VideoMapping().MapEndImage;
}
