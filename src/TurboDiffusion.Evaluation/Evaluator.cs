using System.Diagnostics;
using TurboDiffusion.Evaluation.Metrics;
using TurboDiffusion.Generation;
using TurboDiffusion.Models;
using TurboDiffusion.Pipelines;
using TurboDiffusion.ShapeWorld;
using TurboDiffusion.ShapeWorld.Recognition;
using static TorchSharp.torch;

namespace TurboDiffusion.Evaluation;

/// <summary>Carries out a plan: renders held-out prompts with each variant, reads the clips, and times one.</summary>
public sealed class Evaluator
{
    private const string RealClips = "real clips", ThroughTheVae = "real clips through the VAE";

    private readonly EvaluationPlan _plan;
    private readonly CancellationToken _cancellationToken;
    private readonly IProgress<EvaluationProgress>? _progress;
    private readonly IReadOnlyList<EvaluationPrompt> _prompts;
    private readonly ClipSize _size;
    private readonly List<EvaluationRow> _rows = [];
    private float[][] _reference = [];

    private Evaluator(EvaluationPlan plan, IProgress<EvaluationProgress>? progress, CancellationToken cancellationToken)
    {
        plan.Check();
        (_plan, _progress, _cancellationToken) = (plan, progress, cancellationToken);
        _prompts = EvaluationPrompt.HeldOut(plan.Prompts, plan.TwoObjectPrompts, plan.Seed);
        _size = new ClipSize(plan.Width, plan.Height, plan.Frames, plan.FramesPerSecond);
    }

    private bool Scores => _prompts.Count > 0;

    /// <summary>Carries out a plan.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="clip">Sees every clip with its row's label, in the order of the prompts.</param>
    /// <param name="row">Sees the result so far, each time a row has been added.</param>
    /// <param name="progress">Told after every batch and run; called from this thread.</param>
    /// <param name="cancellationToken">Ends the work within one block or layer.</param>
    /// <exception cref="TurboDiffusionException">
    /// The plan cannot be carried out; every variant's files are checked before the work begins.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static EvaluationResult Run(
        EvaluationPlan plan, Action<string, EvaluatedClip>? clip = null, Action<EvaluationResult>? row = null,
        IProgress<EvaluationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        var evaluator = new Evaluator(plan, progress, cancellationToken);
        foreach (EvaluationVariant variant in plan.Variants)
            using (VideoModel model = evaluator.Open(variant))
                evaluator.Settings(model, variant);
        return evaluator.Run(clip, row);
    }

    private EvaluationResult Run(Action<string, EvaluatedClip>? clip, Action<EvaluationResult>? row)
    {
        if (Scores)
        {
            Reference();
            Add(Measure(RealClips, prompts => [.. prompts.AsParallel().AsOrdered().Select(p => Render(p.Scene))], clip));
            if (_plan.Variants.Count > 0)
                using (VideoModel model = Open(_plan.Variants[0]))
                {
                    var generator = new BatchGenerator(model.Components, Settings(model, _plan.Variants[0]));
                    Add(Measure(ThroughTheVae, prompts => generator.Reconstruct(
                        [.. prompts.AsParallel().AsOrdered().Select(p => Render(p.Scene))], _cancellationToken), clip));
                }
        }
        foreach (EvaluationVariant variant in _plan.Variants)
        {
            using VideoModel model = Open(variant);
            PipelineRequest settings = Settings(model, variant);
            var generator = new BatchGenerator(model.Components, settings);
            ClipLatency? latency = _plan.LatencyRuns > 0 ? Latency(variant.Label, generator) : null;
            EvaluationRow measured = Scores
                ? Measure(variant.Label, prompts =>
                    generator.Generate([.. prompts.Select(p => p.Caption)], [.. prompts.Select(p => p.Seed)], _cancellationToken), clip)
                : new EvaluationRow { Label = variant.Label };
            Add(measured with { Latency = latency, Model = model.Identity.ToString(), Variant = Filled(variant, model, settings) });
        }
        return Result();

        void Add(EvaluationRow added)
        {
            _rows.Add(added);
            row?.Invoke(Result());
        }
    }

    private EvaluationResult Result() => new()
    {
        Size = _size,
        Seed = _plan.Seed,
        ReferenceClips = _reference.Length,
        Version = VideoModel.Version,
        Rows = [.. _rows],
    };

    private VideoModel Open(EvaluationVariant variant) => VideoModel.Open(_plan.Files(variant), new VideoModelOptions
    {
        Device = _plan.Device,
        Dtype = _plan.ElementType,
        Attention = variant.Attention,
        TopKRatio = variant.TopK,
        Weights = variant.Weights,
        TextEncoderWeights = variant.TextEncoderWeights,
    });

    private PipelineRequest Settings(VideoModel model, EvaluationVariant variant) => model.Plan(new VideoRequest
    {
        Prompt = variant.Label,
        OutputPath = "",
        Size = new VideoSize(_size.Width, _size.Height),
        Frames = _size.Frames,
        FramesPerSecond = _size.FramesPerSecond,
        Sampler = variant.Sampler,
        Steps = variant.Steps,
        Ode = variant.Ode,
        SigmaMax = variant.SigmaMax,
        Shift = variant.Shift,
        GuidanceScale = variant.Guidance,
        Seed = 0,
    });

    private static EvaluationVariant Filled(EvaluationVariant variant, VideoModel model, PipelineRequest settings) => variant with
    {
        Sampler = settings.Sampler.Kind,
        Steps = settings.Sampler.Create().Timesteps.Count,
        Guidance = settings.GuidanceScale,
        Attention = model.Identity.Attention,
        TopK = Operators.Attention.AttentionOptions.Of(model.Identity.Attention).IsSparse ? variant.TopK ?? model.Spec.TopKRatio : null,
        Weights = model.Identity.Weights,
        TextEncoderWeights = model.Identity.TextEncoderWeights,
    };

    // Other scenes than the prompts', with one and two objects in the same proportion.
    private void Reference()
    {
        int two = (int)((long)_plan.ReferenceClips * _plan.TwoObjectPrompts / _prompts.Count);
        IReadOnlyList<EvaluationPrompt> prompts = EvaluationPrompt.HeldOut(_plan.ReferenceClips - two, two, unchecked(_plan.Seed ^ 0x5EED));
        _reference = new float[prompts.Count][];
        var stage = Begin(RealClips, "rendering the reference", prompts.Count, "clips");
        int done = 0;
        foreach (int[] some in Enumerable.Range(0, prompts.Count).Chunk(100))
        {
            Parallel.ForEach(some, Options(), i => _reference[i] = Features(Render(prompts[i].Scene)));
            stage(done += some.Length);
        }
    }

    private EvaluationRow Measure(string label, Func<EvaluationPrompt[], byte[][]> generate, Action<string, EvaluatedClip>? clip)
    {
        var stage = Begin(label, "clips", _prompts.Count, "clips");
        var outcomes = new List<ClipOutcome>();
        var features = new List<float[]>();
        var clock = new Stopwatch();
        foreach (EvaluationPrompt[] batch in _prompts.Chunk(_plan.Batch))
        {
            _cancellationToken.ThrowIfCancellationRequested();
            clock.Start();
            byte[][] clips = generate(batch);
            clock.Stop();
            var read = new (SceneReading Reading, SceneScore Score, float[] Features)[batch.Length];
            Parallel.For(0, batch.Length, Options(), i =>
            {
                SceneReading reading = SceneRecognizer.Read(clips[i], _size.Width, _size.Height, _size.Frames,
                    batch[i].Scene.Objects.Count);
                read[i] = (reading, SceneRecognizer.Compare(reading, batch[i].Scene), Features(clips[i]));
            });
            for (int i = 0; i < batch.Length; i++)
            {
                features.Add(read[i].Features);
                outcomes.Add(new ClipOutcome(batch[i].Caption, batch[i].Seed, batch[i].Scene, read[i].Reading, read[i].Score));
                clip?.Invoke(label, new EvaluatedClip(batch[i], clips[i], _size, read[i].Reading, read[i].Score));
            }
            stage(outcomes.Count);
        }
        return new EvaluationRow
        {
            Label = label,
            OneObject = ScoresOf(outcomes, 1),
            TwoObjects = ScoresOf(outcomes, 2),
            Frechet = FrechetDistance.Between(features, _reference),
            GenerationSeconds = clock.Elapsed.TotalSeconds,
            Clips = outcomes,
        };
    }

    private ClipLatency Latency(string label, BatchGenerator generator)
    {
        var stage = Begin(label, "latency", _plan.LatencyRuns + 1, "runs");
        // Any prompt takes as long.
        EvaluationPrompt prompt = EvaluationPrompt.HeldOut(1, 0, _plan.Seed)[0];
        var denoising = new List<double>();
        var decoding = new List<double>();
        for (int run = 0; run <= _plan.LatencyRuns; run++)
        {
            using var scope = NewDisposeScope();
            PromptEmbeddings text = generator.Encode([prompt.Caption], _cancellationToken);
            Synchronize(text.Prompts);
            long start = Stopwatch.GetTimestamp();
            Tensor latents = generator.Denoise(text, [prompt.Seed], _cancellationToken);
            Synchronize(latents);
            long middle = Stopwatch.GetTimestamp();
            generator.Decode(latents, _cancellationToken);
            // The first run loads the models and warms everything up.
            if (run > 0)
            {
                denoising.Add(Stopwatch.GetElapsedTime(start, middle).TotalSeconds);
                decoding.Add(Stopwatch.GetElapsedTime(middle).TotalSeconds);
            }
            stage(run + 1);
        }
        return new ClipLatency(Median(denoising), Median(decoding), _plan.LatencyRuns);
    }

    // A copy to the computer's memory waits for the device.
    private static void Synchronize(Tensor tensor)
    {
        using Tensor copy = tensor.cpu();
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static AttributeScores? ScoresOf(IEnumerable<ClipOutcome> outcomes, int objects)
    {
        SceneScore[] scores = [.. outcomes.Where(o => o.Scene.Objects.Count == objects).Select(o => o.Score)];
        return scores.Length == 0 ? null : AttributeScores.Of(scores);
    }

    private byte[] Render(Scene scene) => SceneRenderer.Render(scene, _size.Width, _size.Height, _size.Frames);

    private float[] Features(byte[] clip) => ClipFeatures.Of(clip, _size.Width, _size.Height, _size.Frames);

    private ParallelOptions Options() => new() { CancellationToken = _cancellationToken };

    private Action<int> Begin(string label, string name, int total, string unit)
    {
        var clock = Stopwatch.StartNew();
        int row = _rows.Count, rows = _plan.Variants.Count + (Scores ? _plan.Variants.Count > 0 ? 2 : 1 : 0);
        void Report(int done) => _progress?.Report(new EvaluationProgress(row, rows, label, name, done, total, unit, clock.Elapsed));
        Report(0);
        return Report;
    }
}
