using Orleans.Placement;
using Orleans.Runtime.MembershipService.SiloMetadata;
using Orleans.Runtime.Placement;

namespace TurboDiffusion.Orleans.Placement;

/// <summary>
/// Puts grains on front ends while there is one: GPU machines come and go, and with one of them then goes nothing but its runs.
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
internal sealed class FrontEndsFirstAttribute() : PlacementFilterAttribute(new FrontEndsFirst());

/// <summary>Marks the grains.</summary>
internal sealed class FrontEndsFirst() : PlacementFilterStrategy(order: 0);

/// <summary>Chooses the machines.</summary>
internal sealed class FrontEndsFirstDirector(ISiloMetadataCache metadata) : IPlacementFilterDirector
{
    /// <summary>The key of a silo's role.</summary>
    public const string RoleKey = "turbodiffusion.role";

    public IEnumerable<SiloAddress> Filter(PlacementFilterStrategy filterStrategy, PlacementTarget target, IEnumerable<SiloAddress> silos)
    {
        SiloAddress[] all = [.. silos];
        SiloAddress[] fronts = [.. all.Where(IsFront)];
        return fronts.Length > 0 ? fronts : all;
    }

    private bool IsFront(SiloAddress silo) => metadata.GetSiloMetadata(silo).Metadata.TryGetValue(RoleKey, out var role)
        && role != nameof(VideoClusterRole.Worker);
}
