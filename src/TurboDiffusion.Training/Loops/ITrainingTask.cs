using TurboDiffusion.Sampling;

namespace TurboDiffusion.Training.Loops;

/// <summary>What a <see cref="Trainer"/> trains, and by which losses. All randomness comes from the source it is given.</summary>
public interface ITrainingTask
{
    /// <summary>Such as <c>teacher</c> or <c>rcm</c>; a saved state is resumed only by its own kind of task.</summary>
    string Name { get; }

    /// <summary>Every model in training.</summary>
    IReadOnlyList<TrainedModel> Models { get; }

    /// <summary>The models that an iteration updates.</summary>
    /// <param name="iteration">Counted from 0.</param>
    IReadOnlyList<TrainedModel> ModelsOf(int iteration);

    /// <summary>Draws a batch and gives the losses on it, one after the other.</summary>
    /// <param name="iteration">Counted from 0.</param>
    /// <param name="random">The source of every draw.</param>
    IEnumerable<LossTerm> Losses(int iteration, IRandomSource random);
}
