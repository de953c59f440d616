namespace TurboDiffusion.Cli.Output;

/// <summary>How far a piece of work has come.</summary>
/// <param name="Stage">What is being done.</param>
/// <param name="Done">Units finished.</param>
/// <param name="Total">Units in all.</param>
/// <param name="Unit">What is counted; empty where counting says nothing.</param>
/// <param name="Remaining">Time left in the stage; null where it is not known.</param>
/// <param name="Detail">What else is known; empty for nothing.</param>
internal readonly record struct ProgressState(string Stage, long Done, long Total, string Unit, TimeSpan? Remaining, string Detail = "")
{
    /// <summary>All of it in one line.</summary>
    public override string ToString()
    {
        string count = Unit.Length == 0 || Total == 0 ? ""
            : Unit == "bytes" ? $", {Format.Bytes(Done)} of {Format.Bytes(Total)}" : $", {Done} of {Total} {Unit}";
        string detail = Detail.Length == 0 ? "" : $", {Detail}";
        string left = Remaining is { } time && Done < Total ? $", {Format.Clock(time)} left" : "";
        return Stage + count + detail + left;
    }
}
