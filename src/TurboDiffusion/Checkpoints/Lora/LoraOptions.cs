using System.Globalization;

namespace TurboDiffusion.Checkpoints.Lora;

/// <summary>A LoRA to merge into a transformer: which file, how strongly, and into which of two experts.</summary>
/// <param name="Path">The file, in any of the known key layouts.</param>
public sealed record LoraOptions(string Path)
{
    /// <summary>What the change is multiplied by; 1 as trained, negative for the opposite.</summary>
    public double Strength { get; init; } = 1;

    /// <summary>
    /// Into which of two experts. A model of one transformer takes those for all, and of a file that names both experts the half of the one
    /// that is said here.
    /// </summary>
    public LoraExperts Experts { get; init; }

    /// <summary>Reads <c>FILE</c> or <c>FILE:STRENGTH</c>, such as <c>style.safetensors:0.8</c>.</summary>
    /// <param name="text">The text; what follows the last colon is the strength where it is a number.</param>
    /// <param name="experts">Into which of two experts.</param>
    /// <exception cref="InvalidRequestException">No file is named, or the strength is not finite.</exception>
    public static LoraOptions Parse(string text, LoraExperts experts = LoraExperts.All)
    {
        ArgumentNullException.ThrowIfNull(text);
        int colon = text.LastIndexOf(':');
        bool hasStrength = double.TryParse(text.AsSpan(colon + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out double strength)
            && colon >= 0;
        var options = new LoraOptions(hasStrength ? text[..colon] : text) { Strength = hasStrength ? strength : 1, Experts = experts };
        return options.Path.Length > 0 && double.IsFinite(options.Strength) ? options
            : throw new InvalidRequestException("lora",
                $"The LoRA is '{text}'; give FILE or FILE:STRENGTH, such as style.safetensors:0.8.");
    }

    /// <summary>The file's name and the strength, as <see cref="Parse"/> reads them.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{System.IO.Path.GetFileName(Path)}:{Strength}");
}
