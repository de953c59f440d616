using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace TurboDiffusion.Orleans;

/// <summary>Reads where the other processes of a cluster reach this one.</summary>
internal static class SiloAddressOption
{
    /// <summary>Reads <c>address</c> or <c>address:port</c>.</summary>
    public static bool TryParse(string text, out IPEndPoint endPoint) =>
        IPEndPoint.TryParse(text, out endPoint!) && !endPoint.Address.Equals(IPAddress.Any) && !endPoint.Address.Equals(IPAddress.IPv6Any);

    /// <summary>The address and port to use: those of the option, or the machine's own address and a free port.</summary>
    public static IPEndPoint Resolve(string? option)
    {
        var endPoint = option is not null && TryParse(option, out var given) ? given : new IPEndPoint(OwnAddress(), 0);
        if (endPoint.Port != 0)
            return endPoint;

        // Free now; whoever takes it in between makes the start fail with a clear message, and the next start finds another.
        using var listener = new TcpListener(endPoint.Address, 0);
        listener.Start();
        return new IPEndPoint(endPoint.Address, ((IPEndPoint)listener.LocalEndpoint).Port);
    }

    private static IPAddress OwnAddress() => NetworkInterface.GetAllNetworkInterfaces()
        .Where(network => network is { OperationalStatus: OperationalStatus.Up, NetworkInterfaceType: not NetworkInterfaceType.Loopback })
        .OrderByDescending(network => network.GetIPProperties().GatewayAddresses.Count)
        .SelectMany(network => network.GetIPProperties().UnicastAddresses)
        .Select(address => address.Address)
        .FirstOrDefault(address => address.AddressFamily == AddressFamily.InterNetwork) ?? IPAddress.Loopback;
}
