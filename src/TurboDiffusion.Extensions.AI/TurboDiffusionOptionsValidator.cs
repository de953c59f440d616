using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Options;
using TorchSharp;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Models.Wan;

namespace TurboDiffusion.Extensions.AI;

/// <summary>
/// Checks options when the application starts, without loading anything, and refuses to change them while it runs: a
/// loaded model cannot be changed under the requests that use it.
/// </summary>
internal sealed partial class TurboDiffusionOptionsValidator : IValidateOptions<TurboDiffusionOptions>
{
    private readonly ConcurrentDictionary<string, string> _first = new(StringComparer.Ordinal);

    public ValidateOptionsResult Validate(string? name, TurboDiffusionOptions options)
    {
        var errors = Errors(options).ToList();
        if (errors.Count > 0)
            return ValidateOptionsResult.Fail(errors);

        var now = JsonSerializer.Serialize(options);
        return _first.GetOrAdd(name ?? Options.DefaultName, now) == now
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail(
                "The options of TurboDiffusion cannot change while the application runs; restart it to use the new ones.");
    }

    private static IEnumerable<string> Errors(TurboDiffusionOptions options)
    {
        if (!DevicePattern().IsMatch(options.Device ?? ""))
            yield return $"{nameof(options.Device)} is '{options.Device}'; choose auto, cpu, cuda or cuda:N.";
        if (options.TopKRatio is { } ratio && !(ratio is > 0 and <= 1))
            yield return $"{nameof(options.TopKRatio)} is {ratio}; it must be above 0 and at most 1.";
        if (options.Dtype is { } dtype && dtype is not (torch.ScalarType.Float32 or torch.ScalarType.BFloat16 or torch.ScalarType.Float16))
            yield return $"{nameof(options.Dtype)} is {dtype}; choose Float32, BFloat16 or Float16.";
        if (options.Boundary is { } boundary && !(boundary is > 0 and < 1))
            yield return $"{nameof(options.Boundary)} is {boundary}; it must be above 0 and below 1.";
        if (options.MaxQueuedRequests < 0)
            yield return $"{nameof(options.MaxQueuedRequests)} is {options.MaxQueuedRequests}; it must be 0 or more.";
        if (options.MaxLoraSets < 0)
            yield return $"{nameof(options.MaxLoraSets)} is {options.MaxLoraSets}; it must be 0 or more.";
        if (options.Model is not null && Error(() => ModelLibrary.Find(options.Model)) is { } model)
            yield return $"{nameof(options.Model)}: {model}";
        if (Error(() => LoraSet.Open(options.ParsedLoras()).Dispose()) is { } lora)
            yield return $"{nameof(options.Loras)}: {lora}";
    }

    private static string? Error(Action check)
    {
        try
        {
            check();
            return null;
        }
        catch (TurboDiffusionException exception)
        {
            return exception.Message;
        }
    }

    [GeneratedRegex(@"^(auto|cpu|cuda(:\d+)?)$", RegexOptions.IgnoreCase)]
    private static partial Regex DevicePattern();
}
