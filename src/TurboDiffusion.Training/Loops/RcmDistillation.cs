using TurboDiffusion.Models.Wan;
using TurboDiffusion.Sampling;
using TurboDiffusion.Training.Data;
using TurboDiffusion.Training.Losses;
using TurboDiffusion.Training.Networks;
using TurboDiffusion.Training.Optimization;
using TorchDevice = TorchSharp.torch.Device;

namespace TurboDiffusion.Training.Loops;

/// <summary>
/// Distils a guided many-step teacher into a student of one to four steps: consistency along the teacher's flow, and,
/// after the warm-up, distribution matching with a critic that is trained between the student's updates.
/// </summary>
/// <remarks>arXiv 2510.08431.</remarks>
public sealed class RcmDistillation : ITrainingTask, IDisposable
{
    private readonly ILatentData _data;
    private readonly RcmOptions _rcm;
    private readonly int _batchSize;
    private readonly TorchDevice _device;
    private readonly TrainedModel? _critic;
    private readonly GuidedVelocityLoss _guided;
    private readonly ContinuousConsistencyLoss _continuous;
    private readonly DiscreteConsistencyLoss _discrete;
    private readonly DistributionMatchingLoss? _matching;
    private readonly CriticLoss? _criticLoss;

    /// <summary>Creates the task.</summary>
    /// <param name="student">The student, holding the teacher's weights; not owned.</param>
    /// <param name="teacher">The teacher; frozen, not owned.</param>
    /// <param name="critic">
    /// The critic, holding the teacher's weights; null if and only if there is no distribution loss. Not owned.
    /// </param>
    /// <param name="data">Encoded videos.</param>
    /// <param name="consistencyTimes">How the consistency loss draws noise levels.</param>
    /// <param name="matchingTimes">How the distribution loss and the critic draw noise levels.</param>
    /// <param name="rcm">The constants of rCM.</param>
    /// <param name="criticOptimizer">The critic's optimiser.</param>
    /// <param name="options">Batch size, the student's optimiser and weight average.</param>
    /// <exception cref="InvalidRequestException">The weights of the losses and the models do not fit.</exception>
    public RcmDistillation(
        WanModel student, WanModel teacher, WanModel? critic, ILatentData data, ITimeDistribution consistencyTimes,
        ITimeDistribution matchingTimes, RcmOptions rcm, AdamWOptions criticOptimizer, TrainingOptions options)
    {
        if (rcm.ConsistencyScale <= 0 && (rcm.DistributionScale <= 0 || rcm.TangentWarmUp > 0)
            || critic is null != (rcm.DistributionScale <= 0))
            throw new InvalidRequestException("rcm",
                $"The consistency loss weighs {rcm.ConsistencyScale}, the distribution loss {rcm.DistributionScale}, after a warm-up of "
                    + $"{rcm.TangentWarmUp}, and there is {(critic is null ? "no" : "a")} critic; " +
                "every iteration needs a loss, and the distribution loss a critic.");
        Weights.Freeze(teacher);
        Student = new TrainedModel("student", student, options.Optimizer, options.EmaWidth);
        _data = data;
        _rcm = rcm;
        _batchSize = options.BatchSize;
        _device = Student.Parameters.Values.First().device;
        var ofStudent = new WanNetwork(student);
        var ofTeacher = new WanNetwork(teacher);
        _guided = new GuidedVelocityLoss(ofStudent, ofTeacher, consistencyTimes);
        _continuous = new ContinuousConsistencyLoss(ofStudent, ofTeacher, consistencyTimes, rcm);
        _discrete = new DiscreteConsistencyLoss(ofStudent, ofTeacher, rcm);
        if (critic is null) return;
        _critic = new TrainedModel("critic", critic, criticOptimizer);
        var simulation = new StudentSimulation(ofStudent, matchingTimes, rcm);
        _matching = new DistributionMatchingLoss(ofTeacher, new WanNetwork(critic), simulation, matchingTimes, rcm);
        _criticLoss = new CriticLoss(new WanNetwork(critic), simulation, matchingTimes);
    }

    /// <summary>The student in training.</summary>
    public TrainedModel Student { get; }

    /// <inheritdoc/>
    public string Name => "rcm";

    /// <inheritdoc/>
    public IReadOnlyList<TrainedModel> Models => _critic is null ? [Student] : [Student, _critic];

    /// <inheritdoc/>
    public IReadOnlyList<TrainedModel> ModelsOf(int iteration) => [_rcm.IsStudentIteration(iteration) ? Student : _critic!];

    /// <inheritdoc/>
    public IEnumerable<LossTerm> Losses(int iteration, IRandomSource random)
    {
        LatentBatch batch = _data.Draw(_batchSize, random).To(_device);
        var guidance = new Guidance(batch.Condition, batch.Negative, _rcm.TeacherGuidance);
        int steps = _rcm.SimulationSteps(iteration);
        if (!_rcm.IsStudentIteration(iteration))
        {
            yield return new LossTerm("critic", () => _criticLoss!.Compute(batch.Latents.shape, batch.Condition, steps, random));
            yield break;
        }
        if (iteration < _rcm.GuidedWarmUp)
        {
            yield return new LossTerm("guided", () => _guided.Compute(batch.Latents, guidance, random));
            yield break;
        }
        if (_rcm.ConsistencyScale > 0)
            yield return _rcm.Discrete
                ? new LossTerm("dcm", () => _discrete.Compute(batch.Latents, guidance, random))
                : new LossTerm("scm", () => _continuous.Compute(batch.Latents, guidance, iteration - _rcm.GuidedWarmUp, random));
        if (_matching is not null && iteration >= _rcm.GuidedWarmUp + _rcm.TangentWarmUp)
            yield return new LossTerm("dmd", () => _matching.Compute(batch.Latents.shape, guidance, steps, random));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Student.Dispose();
        _critic?.Dispose();
    }
}
