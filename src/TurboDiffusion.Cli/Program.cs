using TurboDiffusion.Cli;

using var signals = new Signals();
var terminal = Terminal.OfProcess(signals.Cancelled);
// TorchSharp prints a page when its native library does not load; the error says it in one line.
Console.SetOut(TextWriter.Null);
return CommandLine.Run(args, terminal);
