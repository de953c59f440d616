namespace TurboDiffusion.Checkpoints.Keys;

/// <summary>The key layout of tiny autoencoders: layers by their numbers.</summary>
/// <remarks>Upstream: madebyollin/taehv, 1f14a56, <c>taehv.py</c>.</remarks>
public static class TinyVaeLayouts
{
    /// <summary>The files <c>taew2_1</c> and <c>taew2_2</c>, and LightX2V's of the same network.</summary>
    public static KeyRuleSet Original { get; } = new("TAEHV",
        KeyRule.Same("{e:encoder|decoder}.{n}.{p:weight|bias}"),
        KeyRule.Same("{e:encoder|decoder}.{n}.conv.weight"),
        KeyRule.Same("{e:encoder|decoder}.{n}.conv.{m}.{p:weight|bias}"));

    /// <summary>Every layout, in the order in which they are tried.</summary>
    public static IReadOnlyList<KeyRuleSet> All { get; } = [Original];
}
