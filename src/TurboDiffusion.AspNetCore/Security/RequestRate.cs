using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using TurboDiffusion.AspNetCore.Endpoints;

namespace TurboDiffusion.AspNetCore.Security;

/// <summary>Refuses the requests of a caller that sends too many in a minute, whatever they are for.</summary>
internal sealed class RequestRate : IEndpointFilter, IDisposable
{
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    // The minute slides on in parts.
    private const int Segments = 6;

    private readonly PartitionedRateLimiter<string> _limiter;

    public RequestRate(IOptions<VideoServiceOptions> options) => _limiter = PartitionedRateLimiter.Create<string, string>(
        owner => RateLimitPartition.GetSlidingWindowLimiter(owner, _ => new SlidingWindowRateLimiterOptions
        {
            PermitLimit = options.Value.MaxRequestsPerMinute,
            Window = Window,
            SegmentsPerWindow = Segments,
        }));

    /// <inheritdoc/>
    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        using var lease = _limiter.AttemptAcquire(context.HttpContext.User.Identity?.Name ?? "");
        return lease.IsAcquired ? await next(context).ConfigureAwait(false) : ApiErrors.AnswerOf(new ApiException(
            StatusCodes.Status429TooManyRequests,
            "rate_limit_exceeded",
            "Too many requests in a minute. Wait, or watch a video's events instead of asking for it again and again.",
            retryAfter: Window / Segments));
    }

    /// <inheritdoc/>
    public void Dispose() => _limiter.Dispose();
}
