using Microsoft.ML.Data;

namespace TurboDiffusion.ML;

/// <summary>
/// The type of a column of videos. It is structured, which ML.NET never reads ahead: a video is generated when its row
/// is read, and not before.
/// </summary>
public sealed class VideoDataViewType : StructuredDataViewType
{
    /// <summary>Creates the type.</summary>
    public VideoDataViewType()
        : base(typeof(MLVideo))
    {
    }

    /// <inheritdoc/>
    public override bool Equals(DataViewType? other) => other is VideoDataViewType;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as DataViewType);

    /// <inheritdoc/>
    public override int GetHashCode() => typeof(VideoDataViewType).GetHashCode();

    /// <inheritdoc/>
    public override string ToString() => "Video";
}
