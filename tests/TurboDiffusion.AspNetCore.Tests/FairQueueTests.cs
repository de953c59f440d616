using TurboDiffusion.AspNetCore.Jobs;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>The order in which jobs run.</summary>
public sealed class FairQueueTests
{
    [Fact]
    public void A_long_list_of_one_owner_holds_nobody_up()
    {
        var queue = new FairQueue();
        for (var i = 0; i < 1000; i++)
            queue.Add(i, Entry($"a{i}", "alice"));

        queue.Add(1000, Entry("b0", "bob"));
        queue.Add(1001, Entry("b1", "bob"));
        queue.Add(1002, Entry("c0", "carol"));
        Assert.Equal(["a0", "b0", "c0", "a1", "b1", "a2"], Enumerable.Range(0, 6).Select(_ => queue.Take()!.Id));
    }

    [Fact]
    public void Who_has_fewer_running_is_next()
    {
        var queue = new FairQueue();
        for (var i = 0; i < 4; i++)
            queue.Add(i, Entry($"a{i}", "alice"));

        Assert.Equal(["a0", "a1"], Enumerable.Range(0, 2).Select(_ => queue.Take()!.Id));
        queue.Add(4, Entry("b0", "bob"));
        queue.Add(5, Entry("b1", "bob"));
        queue.Add(6, Entry("b2", "bob"));
        // Two of Alice's run: the next two are Bob's.
        Assert.Equal(["b0", "b1"], Enumerable.Range(0, 2).Select(_ => queue.Take()!.Id));
        queue.Remove("a0");
        Assert.Equal("a2", queue.Take()!.Id);
    }

    [Fact]
    public void What_comes_back_is_where_it_was()
    {
        var queue = new FairQueue();
        for (var i = 0; i < 3; i++)
            queue.Add(i, Entry($"a{i}", "alice"));

        queue.Take();
        queue.Take();
        queue.Return("a1");
        queue.Return("a0");
        queue.Return("a0");
        Assert.Equal((3, 0), (queue.Waiting, queue.Running));
        Assert.Equal(["a0", "a1", "a2"], Enumerable.Range(0, 3).Select(_ => queue.Take()!.Id));
    }

    [Fact]
    public void Places_are_those_in_which_jobs_are_taken_and_counts_add_up()
    {
        var random = new Random(5);
        for (var round = 0; round < 200; round++)
        {
            var queue = new FairQueue();
            var ids = Enumerable.Range(0, random.Next(1, 30)).Select(i => $"job{i}").ToList();
            for (var i = 0; i < ids.Count; i++)
                queue.Add(i, Entry(ids[i], $"owner{random.Next(4)}"));

            foreach (var id in ids.Where(_ => random.Next(4) == 0).ToArray())
            {
                Assert.NotNull(queue.Remove(id));
                Assert.Null(queue.Remove(id));
                ids.Remove(id);
            }

            Assert.Equal(ids.Count, queue.Waiting);
            var places = ids.ToDictionary(id => id, id => queue.Position(id));
            for (var place = 1; queue.Take() is { } taken; place++)
            {
                Assert.Equal(place, places[taken.Id]);
                Assert.Null(queue.Position(taken.Id));
            }

            Assert.Equal((0, ids.Count), (queue.Waiting, queue.Running));
        }
    }

    private static QueueEntry Entry(string id, string owner) => new(id, owner);
}
