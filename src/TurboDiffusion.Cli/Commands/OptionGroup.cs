using System.CommandLine;

namespace TurboDiffusion.Cli.Commands;

/// <summary>Options that help shows together.</summary>
/// <param name="Title">What they are about.</param>
/// <param name="Options">The options in order.</param>
internal sealed record OptionGroup(string Title, IReadOnlyList<Option> Options);
