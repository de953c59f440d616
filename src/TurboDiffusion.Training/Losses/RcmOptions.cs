namespace TurboDiffusion.Training.Losses;

/// <summary>The constants of rCM distillation; the defaults are the published ones for Wan2.1-T2V-1.3B.</summary>
/// <remarks>thu-ml/TurboDiffusion at aaecff5, <c>rcm/configs/experiments/rcm/wan2pt1_t2v.py</c>.</remarks>
public sealed record RcmOptions
{
    /// <summary>How strongly the teacher follows the prompt; 1: no guidance.</summary>
    public double TeacherGuidance { get; init; } = 5;

    /// <summary>
    /// Iterations before all others in which the student learns to predict the teacher's guided velocity by plain regression, so that rCM
    /// starts from what guidance gives; 0: none. The iterations of everything else count from there.
    /// </summary>
    public int GuidedWarmUp { get; init; }

    /// <summary>Weight of the consistency loss (sCM or dCM); 0 leaves it out.</summary>
    public double ConsistencyScale { get; init; } = 100;

    /// <summary>Weight of the distribution-matching loss (DMD); 0 leaves it and its critic out.</summary>
    public double DistributionScale { get; init; } = 1;

    /// <summary>Use dCM, the discrete form of the consistency loss, in place of sCM.</summary>
    public bool Discrete { get; init; }

    /// <summary>Iterations over which sCM's tangent is warmed up; DMD and the critic begin after them.</summary>
    public int TangentWarmUp { get; init; } = 1000;

    /// <summary>After the warm-up, the student is updated in one of this many iterations, the critic in the others.</summary>
    public int StudentInterval { get; init; } = 5;

    /// <summary>sCM: the step h of the finite difference, in radians of τ.</summary>
    public double FiniteDifferenceStep { get; init; } = 1e-4;

    /// <summary>DMD and critic: the student is simulated for 1 to this many steps, in turn.</summary>
    public int MaxSimulationSteps { get; init; } = 4;

    /// <summary>DMD and critic: simulate at <see cref="SimulationTimes"/> rather than at drawn times.</summary>
    public bool FixedSimulationTimes { get; init; }

    /// <summary>The times τ after the first, in radians.</summary>
    public IReadOnlyList<double> SimulationTimes { get; init; } = [1.5, 1.4, 1.0];

    /// <summary>dCM: times in [0, 1].</summary>
    public int DiscreteSteps { get; init; } = 48;

    /// <summary>dCM: how many of those times lie between the two that are compared.</summary>
    public int DiscreteSkip { get; init; } = 1;

    /// <summary>dCM: shift of the times towards the noisy end.</summary>
    public double DiscreteShift { get; init; } = 5;

    /// <summary>Whether the student, not the critic, is updated in an iteration (counted from 0).</summary>
    public bool IsStudentIteration(int iteration) =>
        DistributionScale == 0 || iteration < GuidedWarmUp + TangentWarmUp
            || (iteration - GuidedWarmUp - TangentWarmUp) % StudentInterval == 0;

    /// <summary>Simulation steps of an iteration: they cycle with the updates of the network that is being trained.</summary>
    public int SimulationSteps(int iteration)
    {
        int warmUp = GuidedWarmUp + TangentWarmUp;
        int ofStudent = iteration < warmUp ? iteration : warmUp + (iteration - warmUp) / StudentInterval;
        int update = IsStudentIteration(iteration) ? ofStudent : iteration - ofStudent - 1;
        return update % MaxSimulationSteps + 1;
    }
}
