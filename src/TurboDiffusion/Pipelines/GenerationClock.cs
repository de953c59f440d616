namespace TurboDiffusion.Pipelines;

/// <summary>
/// Times the stages of a generation, which may nest (an expert is loaded within denoising), and tells the progress of the whole.
/// </summary>
/// <param name="plan">The work of the stages.</param>
/// <param name="videos">How many videos.</param>
/// <param name="progress">Told of it.</param>
/// <param name="earlier">Seconds per unit of work that stages took before; brought up to date by <see cref="Learn"/>.</param>
/// <param name="time">What it reads.</param>
internal sealed class GenerationClock(
    GenerationPlan plan, int videos, IProgress<GenerationProgress>? progress, Dictionary<GenerationStage, double> earlier,
    TimeProvider time)
{
    // Where there are more denoising steps than this in all, they are told by the percent, as tensors and frames are.
    private const int MostSteps = 100;

    private readonly Dictionary<GenerationStage, TimeSpan> _times = [];
    private readonly Dictionary<GenerationStage, double> _done = [];
    private readonly Stack<Running> _running = [];
    private readonly long _begin = time.GetTimestamp();
    private double _fraction;
    private int _told = -1;

    /// <summary>The work of the stages.</summary>
    public GenerationPlan Plan => plan;

    /// <summary>Which of the videos, from 0.</summary>
    public int Video { get; set; }

    /// <summary>What each stage took.</summary>
    public IReadOnlyDictionary<GenerationStage, TimeSpan> Times => _times;

    /// <summary>Begins a stage; disposing ends it.</summary>
    /// <param name="stage">Which.</param>
    /// <param name="total">Its units; 0 where they are told with the progress.</param>
    /// <param name="work">Its part of the plan.</param>
    public IDisposable Begin(GenerationStage stage, int total, double work)
    {
        if (_running.TryPeek(out Running? outer)) outer.Pause();
        _running.Push(new Running(stage, work, time) { Total = total });
        Tell(always: true);
        return new End(this);
    }

    /// <summary>Units of the current stage are finished.</summary>
    /// <param name="done">How many.</param>
    public void Report(int done) => Report(done, _running.Peek().Total);

    /// <summary>Takes the progress of a load.</summary>
    public IProgress<(int Done, int Total)> Tensors() => new Forward<(int Done, int Total)>(p => Report(p.Done, p.Total));

    /// <summary>Takes the progress of the denoising loop.</summary>
    public IProgress<Sampling.DenoisingProgress> Steps() => new Forward<Sampling.DenoisingProgress>(p => Report(p.Step));

    /// <summary>Keeps the pace of every stage for later generations.</summary>
    public void Learn()
    {
        foreach ((GenerationStage stage, double work) in _done)
            if (work > 0) earlier[stage] = _times[stage].TotalSeconds / work;
    }

    private void Report(int done, int total)
    {
        Running stage = _running.Peek();
        (stage.Done, stage.Total) = (done, total);
        Tell(always: done == total || stage.Stage == GenerationStage.Denoising && total * videos <= MostSteps);
    }

    private void Tell(bool always)
    {
        double done = _done.Values.Sum() + _running.Sum(r => r.DoneWork);
        // A sum of estimates: the last bits of it are no reason to stay below 1.
        double fraction = plan.Total == 0 || done >= plan.Total * (1 - 1e-9) ? 1 : done / plan.Total;
        _fraction = Math.Max(_fraction, fraction);
        Running stage = _running.Peek();
        var now = new GenerationProgress(
            stage.Stage, Video, videos, stage.Done, stage.Total, _fraction, time.GetElapsedTime(_begin), Remaining());
        if (!always && now.Percent == _told) return;
        _told = now.Percent;
        progress?.Report(now);
    }

    private TimeSpan? Remaining()
    {
        if (Pace(GenerationStage.Denoising) is not { } usual) return null;
        double seconds = 0;
        foreach (GenerationStage stage in Enum.GetValues<GenerationStage>())
            seconds += Math.Max(0, plan.Of(stage) - DoneOf(stage)) * (Pace(stage) ?? usual);
        return TimeSpan.FromSeconds(seconds);
    }

    private double? Pace(GenerationStage stage) =>
        DoneOf(stage) is > 0 and { } done ? TimeOf(stage).TotalSeconds / done
        : earlier.TryGetValue(stage, out double pace) ? pace : null;

    private double DoneOf(GenerationStage stage) =>
        _done.GetValueOrDefault(stage) + _running.Where(r => r.Stage == stage).Sum(r => r.DoneWork);

    private TimeSpan TimeOf(GenerationStage stage) =>
        _running.Where(r => r.Stage == stage).Aggregate(_times.GetValueOrDefault(stage), (sum, r) => sum + r.Elapsed);

    private void Finish()
    {
        Running stage = _running.Pop();
        _times[stage.Stage] = _times.GetValueOrDefault(stage.Stage) + stage.Elapsed;
        _done[stage.Stage] = _done.GetValueOrDefault(stage.Stage) + stage.Work;
        if (_running.TryPeek(out Running? outer)) outer.Resume();
    }

    private sealed class Running(GenerationStage stage, double work, TimeProvider time)
    {
        private TimeSpan _before;
        private long? _since = time.GetTimestamp();

        public GenerationStage Stage => stage;

        public double Work => work;

        // Without the stages within it.
        public TimeSpan Elapsed => _since is { } since ? _before + time.GetElapsedTime(since) : _before;

        public int Done { get; set; }

        public int Total { get; set; }

        public double DoneWork => Total == 0 ? 0 : work * Done / Total;

        public void Pause() => (_before, _since) = (Elapsed, null);

        public void Resume() => _since = time.GetTimestamp();
    }

    private sealed class End(GenerationClock clock) : IDisposable
    {
        public void Dispose() => clock.Finish();
    }

    private sealed class Forward<T>(Action<T> report) : IProgress<T>
    {
        public void Report(T value) => report(value);
    }
}
