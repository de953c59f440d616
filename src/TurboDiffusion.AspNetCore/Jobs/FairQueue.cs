namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>
/// The order in which the jobs of a model run. The next is of the owner who has the fewest running, and among those of who had none for
/// the longest time; the jobs of one owner go in the order in which they came. So nobody waits for another's long list.
/// </summary>
internal sealed class FairQueue
{
    private readonly Dictionary<string, Line> _lines = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (long Number, QueueEntry Entry, bool Runs)> _places = new(StringComparer.Ordinal);
    private long _turn;

    /// <summary>Jobs that wait.</summary>
    public int Waiting { get; private set; }

    /// <summary>Jobs that have been taken.</summary>
    public int Running { get; private set; }

    /// <summary>Whether a job waits or has been taken.</summary>
    public bool Contains(string id) => _places.ContainsKey(id);

    /// <summary>How many jobs of an owner wait or have been taken.</summary>
    public int Open(string owner) => _lines.TryGetValue(owner, out var line) ? line.Entries.Count + line.Running : 0;

    /// <summary>Adds a job that waits.</summary>
    public void Add(long number, QueueEntry entry)
    {
        if (_places.TryAdd(entry.Id, (number, entry, Runs: false)))
            Join(number, entry);
    }

    /// <summary>Takes the next job.</summary>
    public QueueEntry? Take()
    {
        if (Next() is not { } line)
            return null;

        var (number, entry) = line.Entries[0];
        line.Entries.RemoveAt(0);
        line.Running++;
        line.Turn = ++_turn;
        Waiting--;
        Running++;
        _places[entry.Id] = (number, entry, Runs: true);
        return entry;
    }

    /// <summary>The job that <see cref="Take"/> takes.</summary>
    public QueueEntry? Peek() => Next()?.Entries[0].Entry;

    /// <summary>Puts a job that was taken back where it was.</summary>
    public void Return(string id)
    {
        if (!_places.TryGetValue(id, out var place) || !place.Runs)
            return;

        Leave(place.Entry);
        _places[id] = (place.Number, place.Entry, Runs: false);
        Join(place.Number, place.Entry);
    }

    /// <summary>Removes a job.</summary>
    /// <returns>Its number, or <see langword="null"/> where it is not there.</returns>
    public long? Remove(string id)
    {
        if (!_places.Remove(id, out var place))
            return null;

        if (place.Runs)
        {
            Leave(place.Entry);
        }
        else
        {
            var line = _lines[place.Entry.Owner];
            line.Entries.RemoveAt(line.IndexOf(place.Number));
            Waiting--;
            Forget(line, place.Entry.Owner);
        }

        return place.Number;
    }

    /// <summary>How many jobs are taken until this one is, if none ends and none comes: 1 for the next.</summary>
    public int? Position(string id)
    {
        if (!_places.TryGetValue(id, out var place) || place.Runs)
            return null;

        var own = _lines[place.Entry.Owner];
        var rounds = own.IndexOf(place.Number);
        return 1 + rounds + _lines.Values.Where(line => line != own)
            .Sum(line => Math.Min(line.Entries.Count, rounds + (line.IsBefore(own) ? 1 : 0)));
    }

    private Line? Next()
    {
        Line? next = null;
        foreach (var line in _lines.Values)
        {
            if (line.Entries.Count > 0 && (next is null || line.IsBefore(next)))
                next = line;
        }

        return next;
    }

    private void Join(long number, QueueEntry entry)
    {
        if (!_lines.TryGetValue(entry.Owner, out var line))
            _lines[entry.Owner] = line = new Line { Turn = ++_turn };

        line.Entries.Insert(~line.IndexOf(number), (number, entry));
        Waiting++;
    }

    private void Leave(QueueEntry entry)
    {
        var line = _lines[entry.Owner];
        line.Running--;
        Running--;
        Forget(line, entry.Owner);
    }

    private void Forget(Line line, string owner)
    {
        if (line is { Running: 0, Entries.Count: 0 })
            _lines.Remove(owner);
    }

    /// <summary>The jobs of one owner.</summary>
    private sealed class Line
    {
        private static readonly IComparer<(long Number, QueueEntry? Entry)> ByNumber =
            Comparer<(long Number, QueueEntry? Entry)>.Create((a, b) => a.Number.CompareTo(b.Number));

        public List<(long Number, QueueEntry Entry)> Entries { get; } = [];

        public int Running { get; set; }

        public long Turn { get; set; }

        public bool IsBefore(Line other) => (Running, Turn).CompareTo((other.Running, other.Turn)) < 0;

        /// <summary>The index of a number, or the complement of where it belongs.</summary>
        public int IndexOf(long number) => Entries.BinarySearch((number, null!), ByNumber!);
    }
}
