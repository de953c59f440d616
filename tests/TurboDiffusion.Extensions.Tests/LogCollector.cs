using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace TurboDiffusion.Extensions.Tests;

/// <summary>Keeps what is logged.</summary>
internal sealed class LogCollector(LogLevel minimum = LogLevel.Trace) : ILoggerFactory, ILogger, ILoggerProvider
{
    private readonly ConcurrentQueue<(LogLevel Level, EventId Event, string Message, Exception? Exception)> _entries = new();

    public IReadOnlyList<(LogLevel Level, EventId Event, string Message, Exception? Exception)> Entries => [.. _entries];

    public string Text => string.Join('\n', _entries.Select(entry => entry.Message));

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= minimum;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel))
            _entries.Enqueue((logLevel, eventId, formatter(state, exception), exception));
    }

    public void Dispose()
    {
    }
}
