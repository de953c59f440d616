using static TorchSharp.torch;

namespace TurboDiffusion.Training.Optimization;

/// <summary>Turns gradients into updates of the weights, with a state that can be saved and restored exactly.</summary>
public interface IOptimizer : IDisposable
{
    /// <summary>Updates made so far.</summary>
    int Updates { get; set; }

    /// <summary>The learning rate before the schedule's factor.</summary>
    double LearningRate { get; }

    /// <summary>The state by name. Views of live float32 tensors, owned by the optimiser.</summary>
    IEnumerable<KeyValuePair<string, Tensor>> State { get; }

    /// <summary>Makes one update from the parameters' gradients; parameters without one are left alone.</summary>
    /// <param name="factor">The schedule's factor on the learning rate.</param>
    void Step(double factor);
}
