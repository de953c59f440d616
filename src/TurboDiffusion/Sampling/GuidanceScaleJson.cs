using System.Text.Json;
using System.Text.Json.Serialization;

namespace TurboDiffusion.Sampling;

/// <summary>A <see cref="GuidanceScale"/> as a number, or as <c>[low noise, high noise]</c>.</summary>
internal sealed class GuidanceScaleJson : JsonConverter<GuidanceScale>
{
    /// <inheritdoc/>
    public override GuidanceScale Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.Number) return reader.GetDouble();
        double[]? pair = reader.TokenType == JsonTokenType.StartArray ? JsonSerializer.Deserialize<double[]>(ref reader, options) : null;
        return pair is [double low, double high]
            ? new GuidanceScale(low, high)
            : throw new JsonException("A guidance scale is a number, or two in brackets: [low noise, high noise].");
    }

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, GuidanceScale value, JsonSerializerOptions options)
    {
        if (value.IsUniform)
        {
            writer.WriteNumberValue(value.LowNoise);
            return;
        }
        writer.WriteStartArray();
        writer.WriteNumberValue(value.LowNoise);
        writer.WriteNumberValue(value.HighNoise);
        writer.WriteEndArray();
    }
}
