using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace TurboDiffusion.Extensions.AI;

/// <summary>What a <see cref="VideoGenerationResponseUpdate"/> reports. Generators may add kinds of their own.</summary>
[JsonConverter(typeof(Converter))]
public readonly struct VideoGenerationResponseUpdateKind : IEquatable<VideoGenerationResponseUpdateKind>
{
    private readonly string? _value;

    /// <summary>Creates a kind.</summary>
    /// <param name="value">Its name; compared without regard to case.</param>
    /// <exception cref="ArgumentException"><paramref name="value"/> is empty.</exception>
    public VideoGenerationResponseUpdateKind(string value)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(value);
        _value = value;
    }

    /// <summary>The request waits for the device.</summary>
    public static VideoGenerationResponseUpdateKind Queued { get; } = new("queued");

    /// <summary>A stage began, or one of its steps is done.</summary>
    public static VideoGenerationResponseUpdateKind Progress { get; } = new("progress");

    /// <summary>A preview. Previews are no part of the finished video.</summary>
    public static VideoGenerationResponseUpdateKind VideoUpdating { get; } = new("videoupdating");

    /// <summary>Finished frames of a video that is not finished as a whole.</summary>
    public static VideoGenerationResponseUpdateKind FramesUpdated { get; } = new("framesupdated");

    /// <summary>A finished video.</summary>
    public static VideoGenerationResponseUpdateKind VideoUpdated { get; } = new("videoupdated");

    /// <summary>The name of the kind.</summary>
    public string Value => _value ?? Progress.Value;

    /// <summary>Compares two kinds.</summary>
    /// <param name="left">One kind.</param>
    /// <param name="right">The other kind.</param>
    /// <returns>Whether they are the same.</returns>
    public static bool operator ==(VideoGenerationResponseUpdateKind left, VideoGenerationResponseUpdateKind right) =>
        left.Equals(right);

    /// <summary>Compares two kinds.</summary>
    /// <param name="left">One kind.</param>
    /// <param name="right">The other kind.</param>
    /// <returns>Whether they differ.</returns>
    public static bool operator !=(VideoGenerationResponseUpdateKind left, VideoGenerationResponseUpdateKind right) =>
        !left.Equals(right);

    /// <inheritdoc/>
    public bool Equals(VideoGenerationResponseUpdateKind other) =>
        string.Equals(Value, other.Value, StringComparison.OrdinalIgnoreCase);

    /// <inheritdoc/>
    public override bool Equals([NotNullWhen(true)] object? obj) =>
        obj is VideoGenerationResponseUpdateKind other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => StringComparer.OrdinalIgnoreCase.GetHashCode(Value);

    /// <inheritdoc/>
    public override string ToString() => Value;

    /// <summary>Reads and writes a kind as its name.</summary>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public sealed class Converter : JsonConverter<VideoGenerationResponseUpdateKind>
    {
        /// <inheritdoc/>
        public override VideoGenerationResponseUpdateKind Read(
            ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            reader.GetString() is { } name && !string.IsNullOrWhiteSpace(name)
                ? new(name)
                : throw new JsonException("A kind of update is a name.");

        /// <inheritdoc/>
        public override void Write(
            Utf8JsonWriter writer, VideoGenerationResponseUpdateKind value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.Value);
    }
}
