namespace TurboDiffusion.Kernels;

/// <summary>
/// The environment variable <c>TURBODIFFUSION_KERNELS</c>: <c>on</c> runs the CUDA kernels where the machine can, <c>off</c>
/// the plain TorchSharp form of every operator. Not set is <c>off</c> as long as the kernels are experimental.
/// </summary>
public static class KernelSwitch
{
    /// <summary>The environment variable's name.</summary>
    public const string Variable = "TURBODIFFUSION_KERNELS";

    private const bool Default = false;

    /// <summary>What a value of the variable means.</summary>
    /// <param name="value"><c>on</c>, <c>off</c>, or null or empty for the default.</param>
    /// <exception cref="InvalidRequestException">The value is none of these.</exception>
    internal static bool Parse(string? value) => value?.Trim().ToLowerInvariant() switch
    {
        null or "" => Default,
        "on" => true,
        "off" => false,
        _ => throw new InvalidRequestException(Variable, $"{Variable} is '{value}'; set it to on or off, or unset it."),
    };
}
