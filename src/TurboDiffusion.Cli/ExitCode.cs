namespace TurboDiffusion.Cli;

/// <summary>What the program ends with.</summary>
internal static class ExitCode
{
    /// <summary>Done.</summary>
    public const int Success = 0;

    /// <summary>A value, a file or the machine cannot be used; one line on the standard error says why.</summary>
    public const int Error = 1;

    /// <summary>The command line itself is wrong: an unknown option, a missing argument, no number where one belongs.</summary>
    public const int Usage = 2;

    /// <summary>Ended by Ctrl-C or a request to terminate; nothing half written is left.</summary>
    public const int Cancelled = 130;
}
