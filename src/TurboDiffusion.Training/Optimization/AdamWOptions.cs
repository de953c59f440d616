namespace TurboDiffusion.Training.Optimization;

/// <summary>The constants of AdamW, and of Muon where it is used.</summary>
public sealed record AdamWOptions
{
    /// <summary>The learning rate before the schedule's factor.</summary>
    public double LearningRate { get; init; } = 1e-4;

    /// <summary>Decay of the mean of gradients, β₁; 0 in rCM.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the mean of squared gradients, β₂.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Keeps the division finite.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>
    /// The momentum of the blocks' weight matrices under <see cref="Optimization.Muon"/>, such as 0.95; 0 leaves them to AdamW.
    /// </summary>
    public double Momentum { get; init; }

    /// <summary>Decoupled weight decay, per unit of learning rate.</summary>
    public double WeightDecay { get; init; } = 0.01;
}
