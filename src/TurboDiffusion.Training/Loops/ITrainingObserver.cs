namespace TurboDiffusion.Training.Loops;

/// <summary>Looks at the models while they are trained. It changes nothing: a run is bit for bit the same with it and without.</summary>
public interface ITrainingObserver
{
    /// <summary>Called before the first iteration of a run, new or continued.</summary>
    /// <param name="iteration">Iterations finished before.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    void Begin(int iteration, CancellationToken cancellationToken)
    {
    }

    /// <summary>Called after every iteration, when its progress has been told; to work now and then is the observer's business.</summary>
    /// <param name="done">The iteration.</param>
    /// <param name="cancellationToken">Ends the work; the trainer saves the state then.</param>
    void Observe(TrainingProgress done, CancellationToken cancellationToken);
}
