using System.CommandLine;
using System.Globalization;
using System.Numerics;
using TorchSharp;
using TurboDiffusion.Generation.Planning;
using TurboDiffusion.Models;
using TurboDiffusion.Operators.Linear;
using TurboDiffusion.Sampling;

namespace TurboDiffusion.Cli.Commands;

/// <summary>Options of the kinds that the commands have. One that is not given is null.</summary>
internal static class Opt
{
    /// <summary>The element types of weights.</summary>
    public static IReadOnlyDictionary<string, torch.ScalarType> Dtypes { get; } = new OrderedDictionary<string, torch.ScalarType>
    {
        ["float32"] = torch.ScalarType.Float32,
        ["bfloat16"] = torch.ScalarType.BFloat16,
        ["float16"] = torch.ScalarType.Float16,
    };

    /// <summary>The names of the published models, for a description.</summary>
    public static string PublishedModels { get; } = string.Join(", ", ModelSpec.All.Select(s => s.Name.ToLowerInvariant()));

    /// <summary>The number format of the text encoder.</summary>
    public static Option<WeightFormat?> TextEncoderWeights() => Choice<WeightFormat>("--text-encoder-weights",
        "The number format of the text encoder's layers: int8 takes about half the memory, for an embedding that is 1 to 5 % off. "
            + "Default: the checkpoint's.");

    /// <summary>A switch.</summary>
    public static Option<bool> Flag(string name, string description) => new(name) { Description = description };

    /// <summary>A word, a name or a path.</summary>
    public static Option<string?> Text(string name, string value, string description, params string[] aliases) =>
        new(name, aliases) { HelpName = value, Description = description };

    /// <summary>Words, names or paths; the option may be given several times.</summary>
    public static Option<string[]> Texts(string name, string value, string description) =>
        new(name) { HelpName = value, Description = description, Arity = ArgumentArity.OneOrMore, DefaultValueFactory = _ => [] };

    /// <summary>A number.</summary>
    public static Option<T?> Number<T>(string name, string value, string description, params string[] aliases)
        where T : struct, INumber<T>
    {
        string kind = T.IsInteger(T.One / (T.One + T.One)) ? "whole number" : "number";
        return Parsed<T>(name, value, description, aliases,
            text => T.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out T number) ? number : null, $"give a {kind}");
    }

    /// <summary>Classifier-free guidance: a number, or one for each of two experts.</summary>
    public static Option<GuidanceScale?> Guidance(string description) => Parsed<GuidanceScale>("--guidance", "X|LOW,HIGH", description, [],
        text => GuidanceScale.TryParse(text, out GuidanceScale scale)
            ? scale
            : null, "give a number, or the low-noise expert's and the high-noise expert's, as 3,4");

    /// <summary>The tiny autoencoder in place of the full one, where no file of one can be named.</summary>
    public static Option<NamedVae?> Vae(string description) => Choice<NamedVae>("--vae", description);

    /// <summary>Which weights are in memory together.</summary>
    public static Option<Residency?> Residency() => Choice<Residency>("--residency",
        "resident: all weights stay in memory; staged: one model at a time, read again for every video; swapped: the transformers' blocks "
            + "stay in host memory and come to the GPU one after the other. Default: the first that leaves room for a video of the "
            + "model's own size.");

    /// <summary>A seed. -1 draws a new one.</summary>
    public static Option<ulong?> Seed(string description) => new("--seed")
    {
        HelpName = "N",
        Description = description,
        CustomParser = result =>
        {
            string text = result.Tokens[0].Value;
            if (text == "-1") return (ulong)System.Security.Cryptography.RandomNumberGenerator.GetInt32(int.MaxValue);
            if (ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong seed)) return seed;
            result.AddError($"--seed is '{text}'; give a whole number from 0 to {ulong.MaxValue}, or -1 for a new one.");
            return null;
        },
    };

    /// <summary>One of several words.</summary>
    public static Option<T?> Choice<T>(string name, string description, IReadOnlyDictionary<string, T> choices)
        where T : struct
    {
        Option<T?> option = Parsed<T>(name, string.Join('|', choices.Keys), description, [],
            text => choices.TryGetValue(text.ToLowerInvariant(), out T choice)
                ? choice
                : null, $"choose one of {string.Join(", ", choices.Keys)}");
        option.CompletionSources.Add([.. choices.Keys]);
        return option;
    }

    /// <summary>One of an enumeration's words in small letters.</summary>
    public static Option<T?> Choice<T>(string name, string description)
        where T : struct, Enum =>
        Choice(name, description, new OrderedDictionary<string, T>(Enum.GetValues<T>()
            .Select(v => KeyValuePair.Create(v.ToString().ToLowerInvariant(), v))));

    private static Option<T?> Parsed<T>(string name, string value, string description, string[] aliases, Func<string, T?> parse,
        string remedy)
        where T : struct => new(name, aliases)
        {
            HelpName = value,
            Description = description,
            CustomParser = result =>
            {
                string text = result.Tokens[0].Value;
                if (parse(text) is { } found) return found;
                result.AddError($"{name} is '{text}'; {remedy}.");
                return null;
            },
        };
}
