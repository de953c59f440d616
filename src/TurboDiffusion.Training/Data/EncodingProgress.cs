namespace TurboDiffusion.Training.Data;

/// <summary>How far the encoding of a folder of videos has come, and in the end what it did.</summary>
/// <param name="Videos">Videos finished, those of an earlier run included.</param>
/// <param name="TotalVideos">Videos in all.</param>
/// <param name="Clips">Clips that they gave.</param>
/// <param name="TooShort">Videos that are shorter than one clip and gave none.</param>
public sealed record EncodingProgress(int Videos, int TotalVideos, int Clips, IReadOnlyList<VideoFile> TooShort);
