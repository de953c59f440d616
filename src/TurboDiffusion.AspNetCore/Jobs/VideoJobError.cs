namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>Why a job has no video.</summary>
/// <param name="Code">For programs: <c>invalid_request</c>, <c>server_error</c>, <c>interrupted</c>.</param>
/// <param name="Message">For people.</param>
public sealed record VideoJobError(string Code, string Message)
{
    internal static VideoJobError Interrupted(int times) =>
        new("interrupted", $"The service ended {times} times in the middle of this video.");

    /// <summary>
    /// What the client is told of an error: what is wrong with the request, or which of the machine's means is missing. Paths, addresses
    /// and the rest are for whoever runs the service, in its log.
    /// </summary>
    internal static VideoJobError Of(Exception exception) => exception switch
    {
        InvalidRequestException invalid when RequestTranslation.FieldOf(invalid.Parameter) is not null =>
            new("invalid_request", invalid.Message),
        InsufficientMemoryException => new("server_error", exception.Message),
        EnvironmentException environment => new(
            "server_error",
            $"The video could not be made: something that the service's machine needs is missing ({environment.Dependency})."),
        _ => new("server_error", "The video could not be made because of an error in the service."),
    };
}
