namespace TurboDiffusion.Cli.Diagnosis;

/// <summary>What the doctor found of one thing.</summary>
/// <param name="Subject">What was looked at.</param>
/// <param name="Health">Whether it will do.</param>
/// <param name="Found">What there is.</param>
/// <param name="Remedy">What to do about it; null where nothing needs to be done.</param>
internal sealed record Finding(string Subject, Health Health, string Found, string? Remedy = null)
{
    /// <summary>It will do.</summary>
    public static Finding Fine(string subject, string found) => new(subject, Health.Fine, found);
}
