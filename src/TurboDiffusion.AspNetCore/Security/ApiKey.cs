using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace TurboDiffusion.AspNetCore.Security;

/// <summary>
/// Keys that clients send as <c>Authorization: Bearer KEY</c>. A service knows their SHA-256 alone: a key has 256 random
/// bits, which no search finds, so that no slow hash is needed.
/// </summary>
public static class ApiKey
{
    private const int Bytes = 32;

    /// <summary>Makes a key.</summary>
    /// <returns>The key for the client, and its hash for the service's configuration.</returns>
    public static (string Key, string Hash) New()
    {
        var key = "td-" + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(Bytes));
        return (key, Hash(key));
    }

    /// <summary>The hash of a key, in hexadecimal digits.</summary>
    /// <param name="key">The key.</param>
    public static string Hash(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));
}
