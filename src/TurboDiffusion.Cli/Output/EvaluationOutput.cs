using TorchSharp;
using TurboDiffusion.Cli.Plots;
using TurboDiffusion.Evaluation;
using TurboDiffusion.Generation;
using TurboDiffusion.Generation.Media;
using TurboDiffusion.Runtime;
using TurboDiffusion.ShapeWorld;
using TurboDiffusion.ShapeWorld.Recognition;

namespace TurboDiffusion.Cli.Output;

/// <summary>The files of an evaluation: results, table, contact sheet, failures. Each is written aside and then renamed.</summary>
/// <param name="json">Every number; null: none.</param>
/// <param name="table">Markdown; null: none.</param>
/// <param name="sheet">The contact sheet; null: none.</param>
/// <param name="sheetOf">The row whose clips it shows.</param>
/// <param name="sheetClips">How many.</param>
/// <param name="failures">The folder of what is wrong; null: none.</param>
/// <param name="cancellationToken">Ends the writing of a sheet.</param>
internal sealed class EvaluationOutput(
    string? json, string? table, string? sheet, string sheetOf, int sheetClips, string? failures, CancellationToken cancellationToken)
{
    private const int FailuresOfRow = 24;

    private readonly List<EvaluatedClip> _shown = [];
    private readonly Dictionary<string, int> _failures = [];

    /// <summary>Refuses what cannot be written, before the work begins.</summary>
    /// <exception cref="InvalidRequestException">A path cannot be used.</exception>
    public void Check()
    {
        if (sheetClips < 1) throw new InvalidRequestException("sheet", $"A sheet of {sheetClips} clips was asked for; give at least 1.");
        foreach (string path in new[] { json, table }.OfType<string>()) ResultFile.Check(path);
        if (sheet is not null) CheckSheet(sheet);
        if (failures is not null && OutputFolder.Problem(failures) is { } problem)
            throw new InvalidRequestException("failures", $"The folder {failures} cannot be written: {problem}.");
    }

    /// <summary>Takes a clip for the sheet or the failures.</summary>
    public void Add(string label, EvaluatedClip clip)
    {
        if (sheet is not null && label == sheetOf && _shown.Count < sheetClips) _shown.Add(clip);
        if (failures is null || clip.Score.All) return;
        int number = _failures[label] = _failures.GetValueOrDefault(label) + 1;
        if (number > FailuresOfRow) return;
        string folder = Path.Combine(failures, string.Concat(label.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' ? c : '-')));
        WriteSheet(Path.Combine(folder, $"{clip.Prompt.Seed}.png"), [clip], [$"{clip.Prompt.Caption}  |  {Wrong(clip)}"]);
    }

    /// <summary>Writes the results so far.</summary>
    public void Write(EvaluationResult result)
    {
        if (json is not null) ResultFile.Write(json, result.ToJson());
        if (table is not null) ResultFile.Write(table, result.ToMarkdown());
    }

    /// <summary>Writes the sheet.</summary>
    public void Finish()
    {
        if (sheet is not null && _shown.Count > 0)
            WriteSheet(sheet, _shown, [.. _shown.Select(c => c.Prompt.Caption)]);
    }

    private static void CheckSheet(string path)
    {
        if (IsPicture(path)) ResultFile.Check(path);
        else VideoSink.Check(path, new VideoOptions { Overwrite = true });
    }

    private static bool IsPicture(string path) => path.EndsWith(".png", StringComparison.OrdinalIgnoreCase);

    // As a PNG, some frames of each clip in a row; as a video, the clips moving in a grid.
    private void WriteSheet(string path, IReadOnlyList<EvaluatedClip> clips, IReadOnlyList<string> captions)
    {
        using var scope = torch.NewDisposeScope();
        // Every caption of a sheet is as wide as any other.
        int? lines = null;
        var contact = new ContactSheet(
            [.. clips.Select(c => torch.tensor(c.Rgb, [c.Size.Frames, c.Size.Height, c.Size.Width, 3], torch.uint8))],
            (clip, width) => CaptionStrip.Draw(
                captions[clip], width, lines ??= captions.Max(caption => CaptionStrip.Lines(caption, width))));
        if (IsPicture(path)) contact.WritePicture(path);
        else
            contact.WriteVideo(path, clips[0].Size.FramesPerSecond,
                new VideoMetadata(string.Join("; ", captions), clips[0].Prompt.Seed, "turbodiffusion evaluate", VideoModel.Version),
                    cancellationToken);
    }

    // What is not as it should be.
    private static string Wrong(EvaluatedClip clip)
    {
        (SceneReading reading, SceneScore score) = (clip.Reading, clip.Score);
        string Objects<T>(Func<ObjectReading, T?> value)
            where T : struct => string.Join(" and ", reading.Objects.Select(o => Name(value(o))));
        List<string> wrong = [];
        if (!score.Shape) wrong.Add($"shape {Objects<Shape>(o => o.Shape)}");
        if (!score.Color) wrong.Add($"colour {Objects<ShapeColor>(o => o.Color)}");
        if (!score.Background) wrong.Add($"background {Name(reading.Background)}");
        if (!score.Motion) wrong.Add($"motion {Name(reading.Motion)}");
        return "read: " + string.Join(", ", wrong);
    }

    private static string Name<T>(T? value)
        where T : struct => value?.ToString() ?? "unknown";
}
