namespace TurboDiffusion.Tests.Emulator;

/// <summary>A change of a kernel's sources, for seeing whether it is noticed.</summary>
/// <param name="From">A text that one file has.</param>
/// <param name="To">What stands there instead.</param>
internal sealed record SourceEdit(string From, string To);
