using Microsoft.ML.Data;

namespace TurboDiffusion.ML;

/// <summary>Marks a member of type <see cref="MLVideo"/> as a column of videos.</summary>
[AttributeUsage(AttributeTargets.Field | AttributeTargets.Property)]
public sealed class VideoTypeAttribute : DataViewTypeAttribute
{
    /// <inheritdoc/>
    public override bool Equals(DataViewTypeAttribute? other) => other is VideoTypeAttribute;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is VideoTypeAttribute;

    /// <inheritdoc/>
    public override int GetHashCode() => typeof(VideoTypeAttribute).GetHashCode();

    /// <inheritdoc/>
    public override void Register() => DataViewTypeManager.Register(new VideoDataViewType(), typeof(MLVideo), this);
}
