namespace TurboDiffusion.Evaluation;

/// <summary>How far an evaluation has come.</summary>
/// <param name="Row">The row in work, from 0.</param>
/// <param name="Rows">How many rows in all.</param>
/// <param name="Label">The row's name.</param>
/// <param name="Stage">What is being done for it, such as <c>generating</c>.</param>
/// <param name="Done">Units finished.</param>
/// <param name="Total">Units in all.</param>
/// <param name="Unit">What is counted.</param>
/// <param name="Elapsed">Time since the stage began.</param>
public readonly record struct EvaluationProgress(
    int Row, int Rows, string Label, string Stage, int Done, int Total, string Unit, TimeSpan Elapsed)
{
    /// <summary>Time left in this stage, if the rest takes as long; null before the first unit.</summary>
    public TimeSpan? Remaining => Done == 0 ? null : Elapsed / Done * (Total - Done);
}
