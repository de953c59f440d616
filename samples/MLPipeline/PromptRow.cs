using Microsoft.ML.Data;

namespace MLPipeline;

/// <summary>A line of the CSV file.</summary>
internal sealed class PromptRow
{
    [LoadColumn(0)]
    public string Prompt { get; set; } = "";

    [LoadColumn(1)]
    public long Seed { get; set; }
}
