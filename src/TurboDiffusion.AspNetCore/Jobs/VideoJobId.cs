using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>Names of jobs: <c>video_</c> and 128 random bits in hexadecimal digits.</summary>
public static partial class VideoJobId
{
    private const int Bytes = 16;

    /// <summary>Makes a new name.</summary>
    public static string New() => $"video_{RandomNumberGenerator.GetHexString(2 * Bytes, lowercase: true)}";

    /// <summary>Whether a text has the form of a name. Nothing else ever becomes part of a path or a key.</summary>
    /// <param name="text">What a client sent.</param>
    public static bool IsValid(string? text) => text is not null && Pattern().IsMatch(text);

    [GeneratedRegex(@"\Avideo_[0-9a-f]{32}\z")]
    private static partial Regex Pattern();
}
