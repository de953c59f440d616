namespace TurboDiffusion.Runtime.Cuda;

/// <summary>
/// The environment variable <c>TURBODIFFUSION_KERNELS</c>: <c>on</c> runs the CUDA kernels where the machine can, <c>off</c>
/// the plain TorchSharp form of every operator. Not set is <c>on</c>.
/// </summary>
public static class KernelSwitch
{
    /// <summary>The environment variable's name.</summary>
    public const string Variable = "TURBODIFFUSION_KERNELS";

    private const bool Default = true;

    private static readonly AsyncLocal<IReadOnlySet<KernelOperator>?> Chosen = new();

    // A wrong value is said again at every use, and not kept.
    private static readonly Lazy<bool> OfEnvironment =
        new(() => Parse(Environment.GetEnvironmentVariable(Variable)), LazyThreadSafetyMode.PublicationOnly);

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

    /// <summary>
    /// Until the result is disposed, exactly these operators run as kernels in this flow of execution, where the machine can,
    /// whatever the variable says: for measuring and comparing in one process.
    /// </summary>
    /// <param name="operators">The operators; none: every operator in its plain form.</param>
    internal static IDisposable Use(IEnumerable<KernelOperator> operators)
    {
        var former = new Former(Chosen.Value);
        Chosen.Value = operators.ToHashSet();
        return former;
    }

    /// <summary>Whether an operator may run as a kernel: what <see cref="Use"/> says, else the variable.</summary>
    /// <param name="kernel">The operator.</param>
    /// <exception cref="InvalidRequestException">The variable has a value that it does not know.</exception>
    internal static bool Allows(KernelOperator kernel) => Chosen.Value?.Contains(kernel) ?? OfEnvironment.Value;

    private sealed class Former(IReadOnlySet<KernelOperator>? chosen) : IDisposable
    {
        public void Dispose() => Chosen.Value = chosen;
    }
}
