using TurboDiffusion.Cli.Plots;
using TurboDiffusion.Evaluation;
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
        if (sheet is not null) ContactSheet.Check(sheet);
        if (failures is not null) Directory.CreateDirectory(failures);
    }

    /// <summary>Takes a clip for the sheet or the failures.</summary>
    public void Add(string label, EvaluatedClip clip)
    {
        if (sheet is not null && label == sheetOf && _shown.Count < sheetClips) _shown.Add(clip);
        if (failures is null || clip.Score.All) return;
        int number = _failures[label] = _failures.GetValueOrDefault(label) + 1;
        if (number > FailuresOfRow) return;
        string folder = Path.Combine(failures, string.Concat(label.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' ? c : '-')));
        Directory.CreateDirectory(folder);
        ContactSheet.Write(Path.Combine(folder, $"{clip.Prompt.Seed}.png"), [clip], [$"{clip.Prompt.Caption}  |  {Wrong(clip)}"], cancellationToken);
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
            ContactSheet.Write(sheet, _shown, [.. _shown.Select(c => c.Prompt.Caption)], cancellationToken);
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
