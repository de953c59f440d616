using System.Globalization;
using System.Text.Json.Serialization;

namespace TurboDiffusion.Sampling;

/// <summary>
/// The strength g of classifier-free guidance, v = v_negative + g·(v_prompt − v_negative), for each expert of a model; a number
/// is the same for both. 1 is none. In JSON a number, or <c>[low noise, high noise]</c>.
/// </summary>
/// <remarks>Ho and Salimans, arXiv 2207.12598; the pair as in <c>sample_guide_scale</c> of Wan-Video/Wan2.2, 42bf4cf.</remarks>
/// <param name="LowNoise">Of the expert of the low noise levels.</param>
/// <param name="HighNoise">Of the expert of the high noise levels, which serves alone where there is one.</param>
[JsonConverter(typeof(GuidanceScaleJson))]
public readonly record struct GuidanceScale(double LowNoise, double HighNoise)
{
    /// <summary>The largest that can be asked for.</summary>
    public const double Largest = 100;

    /// <summary>No guidance, as distilled models need: one model call a step instead of two.</summary>
    public static GuidanceScale None { get; } = 1;

    /// <summary>Whether no expert is guided.</summary>
    public bool IsNone => this == None;

    /// <summary>Whether both experts have the same.</summary>
    public bool IsUniform => LowNoise == HighNoise;

    /// <summary>The same for every expert.</summary>
    /// <param name="scale">g.</param>
    public static implicit operator GuidanceScale(double scale) => new(scale, scale);

    /// <summary>The one of an expert.</summary>
    /// <param name="expert">0: high noise, or the only one; 1: low noise.</param>
    public double Of(int expert) => expert == 0 ? HighNoise : LowNoise;

    /// <summary>Refuses what cannot be used.</summary>
    /// <param name="experts">How many experts the model has.</param>
    /// <exception cref="InvalidRequestException">A scale is out of range, or there are two for one expert.</exception>
    public void Check(int experts)
    {
        if (!(LowNoise is >= 0 and <= Largest && HighNoise is >= 0 and <= Largest))
            throw new InvalidRequestException("guidance", $"The guidance scale is {this}; give 1 for none, or up to {Largest}.");
        if (experts == 1 && !IsUniform)
            throw new InvalidRequestException("guidance",
                $"The guidance scale is {this}, one for each of two experts; the model has one transformer: give one number.");
    }

    /// <summary>Reads <c>5</c>, or <c>3,4</c>: low noise, then high noise.</summary>
    /// <param name="text">The text.</param>
    /// <param name="scale">What it says.</param>
    /// <returns>Whether it is one or two numbers.</returns>
    public static bool TryParse(string text, out GuidanceScale scale)
    {
        double[] numbers = [.. text.Split(',').Select(t =>
            double.TryParse(t, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) ? number : double.NaN)];
        scale = new GuidanceScale(numbers[0], numbers[^1]);
        return numbers.Length <= 2 && !numbers.Any(double.IsNaN);
    }

    /// <summary>As <see cref="TryParse"/> reads it.</summary>
    public override string ToString() => IsUniform
        ? LowNoise.ToString(CultureInfo.InvariantCulture)
        : string.Create(CultureInfo.InvariantCulture, $"{LowNoise},{HighNoise}");
}
