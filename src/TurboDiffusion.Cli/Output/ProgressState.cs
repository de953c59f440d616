namespace TurboDiffusion.Cli.Output;

/// <summary>How far a piece of work has come.</summary>
/// <param name="Stage">What is being done.</param>
/// <param name="Done">Units finished.</param>
/// <param name="Total">Units in all.</param>
/// <param name="Unit">What is counted; empty where counting says nothing.</param>
/// <param name="Remaining">Time left, of the whole; null where it is not known.</param>
/// <param name="Detail">What else is known; empty for nothing.</param>
/// <param name="Percent">
/// Where the work has several stages, how much of the whole is done, 0 to 100; null where the stage is the whole.
/// </param>
internal readonly record struct ProgressState(
    string Stage, long Done, long Total, string Unit, TimeSpan? Remaining, string Detail = "", int? Percent = null)
{
    /// <summary>All of it in one line.</summary>
    public override string ToString()
    {
        string count = Unit.Length == 0 || Total == 0 ? ""
            : Unit == "bytes" ? $", {Format.Bytes(Done)} of {Format.Bytes(Total)}" : $", {Done} of {Total} {Unit}";
        string detail = Detail.Length == 0 ? "" : $", {Detail}";
        string whole = Percent is { } percent ? $", {percent} % of all" : "";
        string left = Remaining is { } time && (Percent is null ? Done < Total : Percent < 100) ? $", {Format.Clock(time)} left" : "";
        return Stage + count + detail + whole + left;
    }
}
