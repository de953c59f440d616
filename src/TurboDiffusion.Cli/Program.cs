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
var terminal = Terminal.OfProcess(cancellation.Token);
// TorchSharp prints a page when its native library does not load; the error says it in one line.
Console.SetOut(TextWriter.Null);
return CommandLine.Run(args, terminal);
