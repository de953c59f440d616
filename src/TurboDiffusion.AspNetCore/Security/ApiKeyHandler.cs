using System.Net;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TurboDiffusion.AspNetCore.Endpoints;

namespace TurboDiffusion.AspNetCore.Security;

/// <summary>
/// Knows callers by their API key. A service without keys answers programs on its own machine alone, and there no web page
/// of another origin.
/// </summary>
internal sealed class ApiKeyHandler(
    IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, IOptions<VideoServiceOptions> service)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string SchemeName = "ApiKey";

    /// <summary>The owner of jobs where there are no keys.</summary>
    public const string LocalOwner = "local";

    private const string Prefix = "Bearer ";

    /// <inheritdoc/>
    protected override Task<AuthenticateResult> HandleAuthenticateAsync() => Task.FromResult(
        service.Value.ApiKeys.Count > 0 ? WithKey()
        : RefusalWithoutKey(Context) is { } refusal ? AuthenticateResult.Fail(refusal)
        : Success(LocalOwner));

    /// <inheritdoc/>
    protected override async Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        var failure = (await HandleAuthenticateOnceSafeAsync().ConfigureAwait(false)).Failure;
        Response.Headers.WWWAuthenticate = "Bearer";
        await ApiErrors.WriteAsync(Context, new ApiException(
            StatusCodes.Status401Unauthorized, "invalid_api_key", failure?.Message ?? "Send an API key: Authorization: Bearer KEY."))
            .ConfigureAwait(false);
    }

    private AuthenticateResult WithKey()
    {
        var header = Request.Headers.Authorization.ToString();
        if (!header.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase))
            return AuthenticateResult.NoResult();

        // Every key is compared, and each in the same time.
        var hash = Encoding.ASCII.GetBytes(ApiKey.Hash(header[Prefix.Length..].Trim()));
        string? owner = null;
        foreach (var (name, known) in service.Value.ApiKeys)
        {
            if (CryptographicOperations.FixedTimeEquals(hash, Encoding.ASCII.GetBytes(known.ToLowerInvariant())))
                owner = name;
        }

        return owner is null ? AuthenticateResult.Fail("The API key is not known.") : Success(owner);
    }

    private AuthenticateResult Success(string owner) => AuthenticateResult.Success(new AuthenticationTicket(
        new ClaimsPrincipal(new ClaimsIdentity([new Claim(ClaimTypes.Name, owner)], SchemeName)), SchemeName));

    private static string? RefusalWithoutKey(HttpContext http)
    {
        // A proxy on this machine would let everybody in; one says for whom it asks.
        var isLocal = http.Connection is { RemoteIpAddress: { } from, LocalIpAddress: { } to } && IPAddress.IsLoopback(from)
            && IPAddress.IsLoopback(to)
            && !http.Request.Headers.ContainsKey("X-Forwarded-For") && !http.Request.Headers.ContainsKey("Forwarded");
        if (!isLocal)
            return "This service has no API keys, so that it answers its own machine alone; its operator can add one (ApiKeys).";

        // Otherwise any page in a browser on this machine could use the service: by a name that leads here, or by a form.
        var host = http.Request.Host.Host;
        if (!(host is "localhost" || IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address)))
            return $"This service has no API keys, so that it answers to localhost alone, not to '{host}'.";

        var origin = http.Request.Headers.Origin.ToString();
        return origin.Length == 0 || Uri.TryCreate(origin, UriKind.Absolute, out var uri) && uri.Authority == http.Request.Host.Value ? null
            : "This service has no API keys, so that it answers no page of another origin.";
    }
}
