using TurboDiffusion.Runtime;

namespace TurboDiffusion.Training.Data;

/// <summary>One video of a <see cref="VideoFolder"/>.</summary>
/// <param name="Path">The file.</param>
/// <param name="Name">Its name within the folder, without ending; unique, and a file name.</param>
public sealed record VideoFile(string Path, string Name)
{
    private const int MaxCaptionBytes = 1 << 16;

    /// <summary>The file of its caption.</summary>
    public string CaptionPath => System.IO.Path.ChangeExtension(Path, ".txt");

    /// <summary>Reads its caption.</summary>
    /// <exception cref="InvalidRequestException">There is none.</exception>
    public string ReadCaption()
    {
        try
        {
            string caption = InputFile.ReadText(CaptionPath, MaxCaptionBytes).Trim();
            return caption.Length > 0 ? caption
                : throw new FileNotFoundException("it is empty");
        }
        catch (FileNotFoundException e)
        {
            throw new InvalidRequestException("captions", $"The video {Path} has no caption; write what it shows into {CaptionPath}.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidRequestException("captions", $"The caption {CaptionPath} cannot be read: {e.Message}", e);
        }
    }
}
