using System.Globalization;
using System.Runtime.InteropServices;

namespace TurboDiffusion.Cli;

/// <summary>
/// The signals that ask the process to end: Ctrl-C, a request to terminate, a terminal that is gone. The first asks for an orderly
/// end, the second takes the system's way.
/// </summary>
internal sealed class Signals : IDisposable
{
    private const string Status = "/proc/self/status", Ignored = "SigIgn:";
    private const int Hangup = 1;

    // SIGXFSZ: a file is larger than the shell's limit (ulimit -f). Unheeded it is an error of that write, which is told as one.
    private const PosixSignal FileTooLarge = (PosixSignal)25;

    // Never given up: .NET handles a signal a moment after the write that caused it, and would end the process with it once nobody listens.
    private static PosixSignalRegistration? _unheeded;

    private readonly CancellationTokenSource _cancellation = new();
    private readonly List<PosixSignalRegistration> _registrations = [];

    /// <summary>Begins to listen.</summary>
    public Signals()
    {
        PosixSignal[] ends = IsIgnored(Hangup) ? [PosixSignal.SIGINT, PosixSignal.SIGTERM]
            : [PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP];
        foreach (PosixSignal signal in ends) _registrations.Add(PosixSignalRegistration.Create(signal, Cancel));
        if (OperatingSystem.IsLinux()) _unheeded ??= PosixSignalRegistration.Create(FileTooLarge, context => context.Cancel = true);
    }

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Cancelled => _cancellation.Token;

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations) registration.Dispose();
        _cancellation.Dispose();
    }

    private void Cancel(PosixSignalContext context)
    {
        if (_cancellation.IsCancellationRequested) return;
        context.Cancel = true;
        _cancellation.Cancel();
    }

    // Under nohup, a hang-up is to be survived.
    private static bool IsIgnored(int signal)
    {
        if (!OperatingSystem.IsLinux() || !File.Exists(Status)) return false;
        string? mask = File.ReadLines(Status)
            .FirstOrDefault(l => l.StartsWith(Ignored, StringComparison.Ordinal))?[Ignored.Length..].Trim();
        return ulong.TryParse(mask, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong bits)
            && (bits >> (signal - 1) & 1) == 1;
    }
}
