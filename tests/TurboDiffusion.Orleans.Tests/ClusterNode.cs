using System.Diagnostics;
using TurboDiffusion.AspNetCore.Tests;

namespace TurboDiffusion.Orleans.Tests;

/// <summary>A member of a cluster, as a process that is started again whenever it ends, as a supervisor does.</summary>
internal sealed class ClusterNode : IAsyncDisposable
{
    private const int LinesKept = 200;

    private readonly string[] _arguments;
    private readonly Queue<string> _log = new();
    private readonly Lock _lock = new();
    private readonly Task _running;
    private Process _process = null!;
    private TaskCompletionSource _ready = New();
    private volatile bool _isDisposed;

    private ClusterNode(params string[] arguments)
    {
        _arguments = arguments;
        _running = Task.Run(RunAsync);
    }

    /// <summary>Where it listens, again after each start.</summary>
    public required Uri Address { get; init; }

    /// <summary>How often it was started.</summary>
    public int Starts { get; private set; }

    /// <summary>What it said last.</summary>
    public string Log
    {
        get
        {
            lock (_lock)
                return string.Join('\n', _log);
        }
    }

    /// <summary>Starts a program of the tests.</summary>
    public static ClusterNode Start(params string[] arguments)
    {
        var address = new Uri($"http://127.0.0.1:{RedisServer.FreePort()}");
        return new ClusterNode(
            [CommandProcess.Built("tests", "TurboDiffusion.Orleans.Tests.Node"), "--Urls", address.ToString(), .. arguments])
        {
            Address = address,
        };
    }

    /// <summary>Waits until it has started.</summary>
    public Task ReadyAsync() => _ready.Task.WaitAsync(TimeSpan.FromMinutes(2));

    /// <summary>As <c>kill -9</c> does.</summary>
    public void Kill() => Signal("-KILL");

    /// <summary>As a supervisor does that restarts it in order. What a shell runs in the background does not hear SIGINT.</summary>
    public void Terminate() => Signal("-TERM");

    /// <summary>Resident memory in bytes; 0 of one that is dead.</summary>
    public long Memory() => _process.ResidentBytes();

    public async ValueTask DisposeAsync()
    {
        _isDisposed = true;
        Kill();
        await _running;
    }

    private void Signal(string signal)
    {
        _ready = New();
        using var kill = Process.Start("kill", [signal, $"{_process.Id}"]);
        kill.WaitForExit();
    }

    private async Task RunAsync()
    {
        while (!_isDisposed)
        {
            var start = new ProcessStartInfo("dotnet", _arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
            start.Environment["OMP_NUM_THREADS"] = "1";
            _process = Process.Start(start)!;
            Starts++;
            await Task.WhenAll(ReadAsync(_process.StandardOutput), ReadAsync(_process.StandardError));
            await _process.WaitForExitAsync();
        }
    }

    private async Task ReadAsync(StreamReader output)
    {
        while (await output.ReadLineAsync() is { } line)
        {
            if (line.StartsWith("listening at", StringComparison.Ordinal))
                _ready.TrySetResult();

            lock (_lock)
            {
                _log.Enqueue(line);
                if (_log.Count > LinesKept)
                    _log.Dequeue();
            }
        }
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
