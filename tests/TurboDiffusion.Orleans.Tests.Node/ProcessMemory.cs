using System.Globalization;
using System.Runtime.InteropServices;

namespace TurboDiffusion.Orleans.Tests.Node;

/// <summary>What a process's memory is made of, in bytes.</summary>
/// <param name="Resident">Pages in memory (<c>Rss</c> of smaps_rollup).</param>
/// <param name="Private">Those of this process alone: <c>Private_Dirty</c> and <c>Private_Clean</c>.</param>
/// <param name="Anonymous">Pages of no file: <c>Anonymous</c>.</param>
/// <param name="Heap">The garbage collector's objects, live or not yet collected.</param>
/// <param name="Committed">What the garbage collector has of the system.</param>
/// <param name="NativeInUse">What glibc's malloc has given out.</param>
/// <param name="NativeKept">What it keeps for later.</param>
/// <param name="Methods">Methods that were compiled.</param>
/// <param name="Code">Intermediate language of them.</param>
/// <param name="Threads">Threads.</param>
/// <param name="Collections">Collections of each generation.</param>
internal sealed record ProcessMemory(
    long Resident, long Private, long Anonymous, long Heap, long Committed, long NativeInUse, long NativeKept, long Methods, long Code,
    int Threads, int[] Collections)
{
    public static ProcessMemory Now()
    {
        var pages = File.ReadLines("/proc/self/smaps_rollup").Skip(1).Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .ToLookup(line => line[0].TrimEnd(':'), line => long.Parse(line[1], CultureInfo.InvariantCulture) << 10);
        var native = MallInfo2();
        return new ProcessMemory(
            pages["Rss"].Sum(), pages["Private_Dirty"].Sum() + pages["Private_Clean"].Sum(), pages["Anonymous"].Sum(),
            GC.GetTotalMemory(false), GC.GetGCMemoryInfo(GCKind.Any).TotalCommittedBytes,
            (long)(native.InUse + native.Mapped), (long)native.Free,
            System.Runtime.JitInfo.GetCompiledMethodCount(), System.Runtime.JitInfo.GetCompiledILBytes(), ThreadPool.ThreadCount,
            [.. Enumerable.Range(0, 3).Select(generation => GC.CollectionCount(generation))]);
    }

    [DllImport("libc", EntryPoint = "mallinfo2")]
    private static extern MallocInfo MallInfo2();

    // struct mallinfo2 of glibc's malloc.h.
    [StructLayout(LayoutKind.Sequential)]
    private struct MallocInfo
    {
        public nuint Arena, FreeChunks, FastChunks, MappedChunks, Mapped, Peak, FastFree, InUse, Free, Releasable;
    }
}
