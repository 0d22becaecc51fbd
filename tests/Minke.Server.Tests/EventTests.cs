using Microsoft.Extensions.Logging.Abstractions;
using Minke.Api.Core.V1;
using Minke.Client;

namespace Minke.Server.Tests;

/// <summary>What many events become.</summary>
public sealed class EventTests
{
    [Fact]
    public async Task The_same_event_is_counted_alike_ones_are_combined_and_a_flood_is_dammed()
    {
        await using var server = await TestServer.StartAsync();
        var client = server.Server.Client;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestServer.Cancelled);
        var recorder = new EventRecorder(client, "tester", "here", TimeProvider.System, NullLogger.Instance);
        var running = recorder.RunAsync(stop.Token);
        var list = await client.ListAsync<Event>("default", Selection.All, TestServer.Cancelled);

        for (var i = 0; i < 3; i++)
            recorder.Record(About("counted"), "Warning", "BackOff", "again");
        for (var i = 0; i < 12; i++)
            recorder.Record(About("combined"), "Warning", "Failed", $"attempt {i}");
        for (var i = 0; i < 40; i++)
            recorder.Record(About("flood"), "Normal", "Tick", "tock");
        recorder.Record(About("last"), "Normal", "Done", "done");
        await foreach (var change in client.WatchAsync<Event>("default", Selection.All, list.Metadata.ResourceVersion, TestServer.Cancelled))
        {
            if (change.Object?.InvolvedObject.Name == "last")
                break;
        }
        await stop.CancelAsync();
        await running;

        var all = (await client.ListAsync<Event>("default", Selection.All, TestServer.Cancelled)).Items;
        var counted = Assert.Single(all, one => one.InvolvedObject.Name == "counted");
        Assert.Equal((3, "again", "tester", "here"), (counted.Count, counted.Message, counted.Source.Component, counted.Source.Host));
        // Nine of their own; from the tenth on they share one.
        var combined = all.Where(one => one.InvolvedObject.Name == "combined").ToList();
        Assert.Equal(10, combined.Count);
        var shared = Assert.Single(combined, one => one.Message == "(combined from similar events): attempt 11");
        Assert.Equal(3, shared.Count);
        Assert.Equal(25, Assert.Single(all, one => one.InvolvedObject.Name == "flood").Count);
    }

    private static ObjectReference About(string name) => new() { Kind = "Pod", ApiVersion = "v1", Namespace = "default", Name = name, Uid = name };
}
