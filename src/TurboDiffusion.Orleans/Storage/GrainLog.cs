using Orleans.Storage;

namespace TurboDiffusion.Orleans.Storage;

/// <summary>
/// Items of a grain in the order of their numbers, stored in segments: a change writes the segment that it is in, not all of them.
/// Changes happen in memory; <see cref="SaveAsync"/> stores them, and those that came while it waited for the store go together.
/// </summary>
/// <remarks>
/// For the turns of one grain, one at a time. After a failed save the memory is ahead of the store: every later save fails too, and
/// the grain must be deactivated.
/// </remarks>
internal sealed class GrainLog<T>(IGrainStorage storage, GrainId grain, string name)
{
    // A segment is some ten kilobytes of JSON.
    private const int SegmentLength = 256;

    private readonly SortedDictionary<long, Segment> _segments = [];
    private readonly HashSet<long> _changed = [];
    private readonly GrainState<LogHead> _stored = new() { State = new LogHead() };
    private LogHead _head = new();
    private long _next;
    private Task _writing = Task.CompletedTask;
    private Task? _waiting;

    /// <summary>All items, in order.</summary>
    public IEnumerable<(long Number, T Item)> Items => _segments.Values.SelectMany(segment => segment.Items)
        .Select(pair => (pair.Key, pair.Value));

    /// <summary>Reads everything that is stored.</summary>
    public async Task LoadAsync()
    {
        await storage.ReadStateAsync(name, grain, _stored);
        _head = _stored.State ?? new LogHead();
        var range = _head.First <= _head.Last
            ? Enumerable.Range(0, (int)(_head.Last - _head.First + 1)).Select(i => _head.First + i) : [];
        foreach (var chunk in range.Chunk(16))
        {
            foreach (var segment in await Task.WhenAll(chunk.Select(ReadAsync)))
                _segments[segment.Number] = segment;
        }

        _next = _segments.Values.SelectMany(segment => segment.Items.Keys).DefaultIfEmpty(_head.First * SegmentLength - 1).Max() + 1;
    }

    /// <summary>Adds an item at the end.</summary>
    /// <returns>Its number.</returns>
    public long Add(T item)
    {
        var number = _next++;
        Set(number, item);
        return number;
    }

    /// <summary>Replaces an item.</summary>
    public void Set(long number, T item)
    {
        var segment = number / SegmentLength;
        if (!_segments.TryGetValue(segment, out var there))
            _segments[segment] = there = new Segment(segment, new GrainState<SortedDictionary<long, T>> { State = [] });

        there.Items[number] = item;
        _changed.Add(segment);
    }

    /// <summary>Removes an item, if it is there.</summary>
    public void Remove(long number)
    {
        if (_segments.TryGetValue(number / SegmentLength, out var segment) && segment.Items.Remove(number))
            _changed.Add(segment.Number);
    }

    /// <summary>Stores all changes made so far.</summary>
    public Task SaveAsync() => _waiting ??= SaveAfterAsync(_writing);

    private async Task SaveAfterAsync(Task before)
    {
        // Not at once: whoever calls in the same turn joins.
        await Task.Yield();
        await before;
        _writing = _waiting!;
        _waiting = null;
        await WriteAsync();
    }

    private async Task WriteAsync()
    {
        long[] changed = [.. _changed];
        _changed.Clear();
        long[] empty = [.. changed.Where(number => _segments[number].Items.Count == 0 && number < _next / SegmentLength)];
        long[] written = [.. changed.Except(empty)];

        // First the range, so that no segment is outside it; a segment in the range that is not there is an empty one.
        if (written.Length > 0)
            await WriteHeadAsync(Math.Min(written.Min(), _head.First), Math.Max(written.Max(), _head.Last));

        await Task.WhenAll(written.Select(number => storage.WriteStateAsync(SegmentName(number), grain, _segments[number].State)));
        await Task.WhenAll(empty.Select(number => storage.ClearStateAsync(SegmentName(number), grain, _segments[number].State)));
        foreach (var number in empty.Where(number => _segments[number].Items.Count == 0 && !_changed.Contains(number)))
            _segments.Remove(number);

        if (_segments.Count > 0)
            await WriteHeadAsync(_segments.Keys.First(), Math.Max(_segments.Keys.Last(), written.DefaultIfEmpty(-1).Max()));
    }

    private async Task WriteHeadAsync(long first, long last)
    {
        if (_head.First == first && _head.Last == last)
            return;

        _stored.State = _head = new LogHead { First = first, Last = last };
        await storage.WriteStateAsync(name, grain, _stored);
    }

    private async Task<Segment> ReadAsync(long number)
    {
        var state = new GrainState<SortedDictionary<long, T>> { State = [] };
        await storage.ReadStateAsync(SegmentName(number), grain, state);
        state.State ??= [];
        return new Segment(number, state);
    }

    private string SegmentName(long number) => $"{name}-{number}";

    private sealed record Segment(long Number, GrainState<SortedDictionary<long, T>> State)
    {
        public SortedDictionary<long, T> Items => State.State!;
    }
}
