using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using StackExchange.Redis;

namespace TurboDiffusion.Orleans;

/// <summary>Reads addresses of Redis servers.</summary>
internal static class RedisAddress
{
    private const int UsualPort = 6379;

    // A server that starts again answers within seconds, and is found within one.
    private const int ReconnectMilliseconds = 500;

    /// <summary>Reads <c>redis://user:password@host:port/database</c>, or <c>rediss</c> for TLS.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out ConfigurationOptions? options)
    {
        options = null;
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri is not { Scheme: "redis" or "rediss", Host.Length: > 0, Query: "" })
            return false;

        var database = 0;
        if (uri.AbsolutePath is not ("" or "/")
            && !int.TryParse(uri.AbsolutePath.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out database))
            return false;

        options = new ConfigurationOptions
        {
            EndPoints = { { uri.Host, uri.IsDefaultPort || uri.Port < 0 ? UsualPort : uri.Port } },
            Ssl = uri.Scheme == "rediss",
            DefaultDatabase = database,
            // Whoever starts before Redis waits for it.
            AbortOnConnectFail = false,
            ReconnectRetryPolicy = new LinearRetry(ReconnectMilliseconds),
        };
        if (uri.UserInfo.Split(':', 2) is [var user, var password])
        {
            options.User = user is "" ? null : Uri.UnescapeDataString(user);
            options.Password = Uri.UnescapeDataString(password);
        }

        return true;
    }
}
