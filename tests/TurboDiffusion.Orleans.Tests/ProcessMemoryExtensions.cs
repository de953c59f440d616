using System.Diagnostics;

namespace TurboDiffusion.Orleans.Tests;

/// <summary>The memory of processes that are killed at any moment.</summary>
internal static class ProcessMemoryExtensions
{
    /// <summary>Resident memory in bytes; 0 of a process that is dead.</summary>
    public static long ResidentBytes(this Process process)
    {
        try
        {
            process.Refresh();
            return process.WorkingSet64;
        }
        catch (InvalidOperationException)
        {
            return 0;
        }
    }
}
