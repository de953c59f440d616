namespace TurboDiffusion.Runtime.Cuda;

/// <summary>Which form of an operator runs, and why: what every operator's <c>Choose</c> returns.</summary>
/// <param name="Form">The form.</param>
/// <param name="Reason">Why, with what was found and, for a plain form, the remedy where there is one; one line.</param>
public readonly record struct KernelChoice(KernelForm Form, string Reason)
{
    /// <summary>Whether a kernel runs, rather than the plain form.</summary>
    public bool IsKernel => Form != KernelForm.Plain;

    /// <summary>The plain form where a kernel does not do the problem.</summary>
    /// <param name="holds">Whether it does.</param>
    /// <param name="otherwise">Why not.</param>
    internal KernelChoice Require(bool holds, string otherwise) => holds || !IsKernel ? this : new(KernelForm.Plain, otherwise);

    /// <summary>The portable kernel where Hopper's own does not do the problem, or there is none.</summary>
    /// <param name="holds">Whether it does.</param>
    /// <param name="otherwise">Why not.</param>
    internal KernelChoice RequireForSm90(bool holds, string otherwise) =>
        holds || Form != KernelForm.Sm90 ? this : new(KernelForm.Portable, otherwise);

    /// <inheritdoc/>
    public override string ToString() => $"{Form}: {Reason}";
}
