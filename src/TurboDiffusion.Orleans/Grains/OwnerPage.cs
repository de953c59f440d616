namespace TurboDiffusion.Orleans.Grains;

/// <summary>Some of an owner's jobs.</summary>
/// <param name="Ids">Their names, in the order that was asked for.</param>
/// <param name="HasMore">Whether there are further ones.</param>
internal sealed record OwnerPage(IReadOnlyList<string> Ids, bool HasMore);
