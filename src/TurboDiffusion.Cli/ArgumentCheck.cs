using System.CommandLine;
using System.CommandLine.Parsing;

namespace TurboDiffusion.Cli;

/// <summary>
/// Finds what the parser would take for a text although it was meant as an option: a name that no option has, or one that stands
/// where another option's value is missing. A prompt must not come of a typing error.
/// </summary>
internal static class ArgumentCheck
{
    private const int FarthestSuggestion = 3;

    /// <summary>What is wrong with the command line, or null.</summary>
    /// <param name="args">The arguments.</param>
    /// <param name="command">The command that they call.</param>
    /// <param name="root">The program.</param>
    public static string? UnknownOption(IReadOnlyList<string> args, Command command, RootCommand root)
    {
        Option[] options = [.. command.Options, .. root.Options.Where(o => o.Recursive)];
        string[] names = [.. options.SelectMany(o => o.Aliases.Append(o.Name)).Distinct()];
        // After -- everything is text.
        foreach (string arg in args.TakeWhile(a => a != "--").Where(LooksLikeOption))
        {
            string name = arg.Split('=', ':')[0];
            if (names.Contains(name) || IsBundle(name, options)) continue;
            string? near = Nearest(name, names.Where(n => n.StartsWith("--", StringComparison.Ordinal)));
            string meant = near is null ? "" : $" Did you mean {near}?";
            return $"There is no option {Shown(name)}.{meant} A text that begins with a dash needs -- before it, as an option's value "
                + "--option=VALUE.";
        }
        return null;
    }

    /// <summary>What is wrong where an option's name stands for another's missing value, or null.</summary>
    /// <param name="args">The arguments.</param>
    /// <param name="parsed">What the parser made of them.</param>
    public static string? MissingValue(IReadOnlyList<string> args, ParseResult parsed)
    {
        // A value that was meant is written --option=VALUE, so that it is no argument of its own.
        HashSet<string> names = [.. args.TakeWhile(a => a != "--").Where(LooksLikeOption)];
        Option? taker = null;
        foreach (Token token in parsed.Tokens)
        {
            if (token.Type == TokenType.Option) taker = OptionOf(parsed, token.Value);
            else if (token.Type == TokenType.DoubleDash) return null;
            else if (token.Type == TokenType.Argument && taker is not null && names.Contains(token.Value))
                return $"{taker.Name} has no value: {Shown(token.Value)} is an option itself. A value that begins with a dash is written "
                    + $"{taker.Name}=VALUE.";
            else taker = null;
        }
        return null;
    }

    /// <summary>What is wrong with a value that no file, no model and no word can have, or null.</summary>
    /// <param name="args">The arguments.</param>
    /// <param name="parsed">What the parser made of them.</param>
    public static string? ImpossibleValue(IReadOnlyList<string> args, ParseResult parsed)
    {
        // .NET puts this character where bytes are no text; a file of such a name cannot be named any more.
        if (args.FirstOrDefault(a => a.Contains('\uFFFD')) is { } damaged) return $"'{Shown(damaged)}' is not text in UTF-8.";
        foreach (SymbolResult result in parsed.CommandResult.Children)
        {
            string? name = result switch
            {
                OptionResult { Option: var option } when option.ValueType == typeof(string) || option.ValueType == typeof(string[]) =>
                    option.Name,
                ArgumentResult { Argument.Name: var argument } => argument,
                _ => null,
            };
            // A prompt that is empty is told as that; a negative one may be.
            if (name is null || name.Contains("prompt", StringComparison.OrdinalIgnoreCase)) continue;
            if (result.Tokens.Any(t => string.IsNullOrWhiteSpace(t.Value))) return $"{name} is empty; give it a value, or leave it out.";
        }
        return null;
    }

    private static Option? OptionOf(ParseResult parsed, string name) => parsed.CommandResult.Command.Options
        .FirstOrDefault(o => o.Name == name || o.Aliases.Contains(name));

    /// <summary>The word that was probably meant, or null.</summary>
    /// <param name="word">What was written.</param>
    /// <param name="known">What there is.</param>
    public static string? Nearest(string word, IEnumerable<string> known) => known
        .Select(k => (Word: k, Distance: k.StartsWith(word, StringComparison.OrdinalIgnoreCase) && word.Length > FarthestSuggestion
            ? 1
            : Distance(word, k)))
        .Where(k => k.Distance <= Math.Min(FarthestSuggestion, Math.Max(1, k.Word.Length / 3)))
        .OrderBy(k => k.Distance).Select(k => k.Word).FirstOrDefault();

    /// <summary>A word fit for a message.</summary>
    public static string Shown(string word) => word.Length > 60 ? word[..60] + "…" : word;

    // --x, and -x without a space in it; -5 and -.5 are numbers, - is a name.
    private static bool LooksLikeOption(string arg) =>
        arg.StartsWith("--", StringComparison.Ordinal) || arg is ['-', var second, ..] && !char.IsAsciiDigit(second) && second != '.'
            && !arg.Any(char.IsWhiteSpace);

    // -qn 3 is -q -n 3.
    private static bool IsBundle(string name, Option[] options) =>
        name.Length > 2 && name[1] != '-' && name[1..].Select(c => options.FirstOrDefault(o => o.Aliases.Contains($"-{c}")))
            .ToArray() is var each
        && each.All(o => o is not null) && each[..^1].All(o => o!.ValueType == typeof(bool));

    // Levenshtein's, with neighbours that changed places as one step.
    private static int Distance(string a, string b)
    {
        var d = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++) d[i, 0] = i;
        for (int j = 0; j <= b.Length; j++) d[0, j] = j;
        for (int i = 1; i <= a.Length; i++)
        {
            for (int j = 1; j <= b.Length; j++)
            {
                int change = d[i - 1, j - 1] + (char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]) ? 0 : 1);
                d[i, j] = Math.Min(change, Math.Min(d[i - 1, j], d[i, j - 1]) + 1);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
            }
        }
        return d[a.Length, b.Length];
    }
}
