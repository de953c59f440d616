using Microsoft.Extensions.DependencyInjection;

namespace TurboDiffusion.Extensions.AI;

/// <summary>Has no services, for pipelines that are built without a container.</summary>
internal sealed class EmptyServiceProvider : IKeyedServiceProvider
{
    public static EmptyServiceProvider Instance { get; } = new();

    public object? GetService(Type serviceType) => null;

    public object? GetKeyedService(Type serviceType, object? serviceKey) => null;

    public object GetRequiredKeyedService(Type serviceType, object? serviceKey) =>
        throw new InvalidOperationException($"No service of type '{serviceType}' is registered.");
}
