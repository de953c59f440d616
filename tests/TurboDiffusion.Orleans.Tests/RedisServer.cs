using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace TurboDiffusion.Orleans.Tests;

/// <summary>
/// A Redis server of its own: a free port of this machine, a temporary folder, every write on the disk before it is answered.
/// </summary>
internal sealed class RedisServer : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("turbodiffusion-redis-").FullName;
    private readonly int _port = FreePort();
    private Process _process = null!;

    private RedisServer()
    {
    }

    public string Address => $"redis://127.0.0.1:{_port}";

    public static async Task<RedisServer> StartAsync()
    {
        var server = new RedisServer();
        await server.StartAgainAsync();
        return server;
    }

    /// <summary>Starts it on what is on the disk, and waits until it answers.</summary>
    public async Task StartAgainAsync()
    {
        _process = Process.Start(new ProcessStartInfo("redis-server",
        [
            "--port", _port.ToString(CultureInfo.InvariantCulture), "--bind", "127.0.0.1", "--dir", _folder, "--save", "",
            "--appendonly", "yes", "--appendfsync", "always",
        ])
        {
            RedirectStandardOutput = true,
        })!;
        _ = _process.StandardOutput.ReadToEndAsync();
        for (var i = 0; i < 6000 && !await AnswersAsync(); i++)
            await Task.Delay(10);

        if (!await AnswersAsync())
            throw new TimeoutException("redis-server does not answer.");
    }

    /// <summary>Resident memory in bytes; 0 of one that is dead.</summary>
    public long Memory() => _process.ResidentBytes();

    /// <summary>As <c>kill -9</c> does.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>A port of this machine that is free now.</summary>
    /// <remarks>
    /// Below those that the system gives to clients: one of them could get it before it is listened at, or while a server that was killed
    /// is away, also by asking for that very server (a connection to itself).
    /// </remarks>
    public static int FreePort()
    {
        while (true)
        {
            var port = Random.Shared.Next(10_000, 32_000);
            using var listener = new TcpListener(IPAddress.Loopback, port);
            try
            {
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
                // Somebody listens there.
            }
        }
    }

    private async Task<bool> AnswersAsync()
    {
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(IPAddress.Loopback, _port);
            await using var stream = client.GetStream();
            await stream.WriteAsync("PING\r\n"u8.ToArray());
            var answer = new byte[7];
            await stream.ReadExactlyAsync(answer);
            return answer.AsSpan().SequenceEqual("+PONG\r\n"u8);
        }
        catch (Exception exception) when (exception is SocketException or IOException)
        {
            return false;
        }
    }
}
