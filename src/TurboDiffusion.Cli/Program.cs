using System.Runtime.InteropServices;
using TurboDiffusion.Cli;

using var cancellation = new CancellationTokenSource();

// The first signal asks for an orderly end; the second takes the system's way.
void Cancel(PosixSignalContext context)
{
    if (cancellation.IsCancellationRequested) return;
    context.Cancel = true;
    cancellation.Cancel();
}

using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Cancel);
using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Cancel);
return CommandLine.Run(args, Terminal.OfProcess(cancellation.Token));
