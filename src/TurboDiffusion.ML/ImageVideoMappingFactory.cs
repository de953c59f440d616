using Microsoft.ML.Transforms;

namespace TurboDiffusion.ML;

/// <summary>Lets a loaded ML.NET model find the mapping for start images.</summary>
[CustomMappingFactoryAttribute(VideoMapping.ImageContract)]
internal sealed class ImageVideoMappingFactory : CustomMappingFactory<VideoMapping.ImageInput, VideoMapping.Output>
{
    public override Action<VideoMapping.ImageInput, VideoMapping.Output> GetMapping() => new VideoMapping().MapImage;
}
