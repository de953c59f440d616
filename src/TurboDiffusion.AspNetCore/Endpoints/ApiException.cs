namespace TurboDiffusion.AspNetCore.Endpoints;

/// <summary>What a client is told instead of what it asked for.</summary>
/// <param name="status">The HTTP status.</param>
/// <param name="code">For programs.</param>
/// <param name="message">For people, with the remedy.</param>
/// <param name="parameter">The field at fault.</param>
/// <param name="retryAfter">When to try again.</param>
internal sealed class ApiException(int status, string code, string message, string? parameter = null, TimeSpan? retryAfter = null)
    : Exception(message)
{
    public int Status { get; } = status;

    public string Code { get; } = code;

    public string? Parameter { get; } = parameter;

    public TimeSpan? RetryAfter { get; } = retryAfter;

    public static ApiException NotFound(string id) => new(404, "not_found", $"There is no video '{id}'.", "video_id");

    public static ApiException Invalid(string parameter, string message) => new(400, "invalid_value", message, parameter);
}
