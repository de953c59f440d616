using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Data.Sqlite;

namespace TurboDiffusion.AspNetCore.Jobs;

/// <summary>
/// Keeps jobs in a SQLite database: a file, which outlives the process and, with each commit written through, the machine's
/// power; or memory, for tests and trials.
/// </summary>
/// <remarks>One process uses the file at a time; a second one is refused, since both would run the same jobs.</remarks>
public sealed class SqliteVideoJobStore : IVideoJobStore, IDisposable
{
    // The version of the tables below, in the file's header. A file of another version is refused.
    private const long Version = 1;

    private const string Tables =
        """
        CREATE TABLE job (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            owner TEXT NOT NULL,
            idempotency_key TEXT,
            status INTEGER NOT NULL,
            expires_at INTEGER,
            bytes INTEGER NOT NULL,
            json TEXT NOT NULL
        ) STRICT;
        CREATE UNIQUE INDEX job_key ON job (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
        CREATE INDEX job_owner ON job (owner, number);
        CREATE INDEX job_status ON job (status, number);
        """;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter() },
    };

    // SQLITE_IOERR, SQLITE_FULL
    private const int DiskFailed = 10, DiskFull = 13;

    // One connection, one call at a time: every call takes microseconds beside the seconds of a video.
    private readonly SemaphoreSlim _turn = new(1, 1);

    // Which of those that wait is next; it follows what is committed.
    private readonly FairQueue _queue = new();
    private readonly SqliteConnection _connection;

    /// <summary>Opens the database.</summary>
    /// <param name="path">The file, made where it is missing; <see langword="null"/> keeps the jobs in memory.</param>
    /// <exception cref="EnvironmentException">The file cannot be used, or another process uses it.</exception>
    public SqliteVideoJobStore(string? path)
    {
        _connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = path is null ? ":memory:" : Path.GetFullPath(path),
            Pooling = false,
            DefaultTimeout = 1,
        }.ToString());
        try
        {
            if (path is not null)
                Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);

            Open();
        }
        catch (Exception exception) when (exception is SqliteException or IOException or UnauthorizedAccessException)
        {
            _connection.Dispose();
            var inUse = exception is SqliteException { SqliteErrorCode: 5 or 6 };
            throw new EnvironmentException(
                "database",
                inUse ? $"The jobs in {path} are in use by another process; stop it, or choose another folder."
                    : $"The database of jobs {path} cannot be opened: {exception.Message}",
                exception);
        }
        catch
        {
            _connection.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public Task<VideoJob> AddAsync(VideoJob job, int maxQueued, int maxOfOwner, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(job);
        long? number = null;
        return InTurnAsync(
            () =>
            {
                if (job.IdempotencyKey is { } key
                    && One("SELECT json FROM job WHERE owner = $1 AND idempotency_key = $2", job.Owner, key) is { } earlier)
                {
                    return earlier;
                }

                if (_queue.Waiting >= maxQueued)
                    throw VideoJobRefusedException.QueueFull(maxQueued);

                if (_queue.Open(job.Owner) >= maxOfOwner)
                    throw VideoJobRefusedException.OwnerQueueFull(maxOfOwner);

                Execute(
                    "INSERT INTO job (id, owner, idempotency_key, status, expires_at, bytes, json) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                    job.Id, job.Owner, job.IdempotencyKey, (int)job.Status, Expiry(job), Bytes(job), Text(job));
                number = Scalar("SELECT last_insert_rowid()");
                return job;
            },
            cancellationToken,
            _ =>
            {
                if (number is { } place && job.Status == VideoJobStatus.Queued)
                    _queue.Add(place, Entry(job));
            });
    }

    /// <inheritdoc/>
    public Task<VideoJob?> FindAsync(string id, CancellationToken cancellationToken = default) =>
        InTurnAsync(() => One("SELECT json FROM job WHERE id = $1", id), cancellationToken);

    /// <inheritdoc/>
    public Task<VideoJobPage> ListAsync(
        string owner, int limit, string? after, bool ascending, CancellationToken cancellationToken = default) =>
        InTurnAsync(
            () =>
            {
                // Nothing follows a job that is not there: the subquery is NULL then, and so is the comparison.
                var (comparison, order) = ascending ? ('>', "ASC") : ('<', "DESC");
                var from = after is null ? "" : $"AND number {comparison} (SELECT number FROM job WHERE id = $3 AND owner = $1)";
                var jobs = All(
                    $"SELECT json FROM job WHERE owner = $1 {from} ORDER BY number {order} LIMIT $2", owner, limit + 1, after);
                return new VideoJobPage([.. jobs.Take(limit)], jobs.Count > limit);
            },
            cancellationToken);

    /// <inheritdoc/>
    public Task<VideoJob?> TakeAsync(DateTimeOffset now, CancellationToken cancellationToken = default) =>
        InTurnAsync(
            () =>
            {
                if (_queue.Peek() is not { } next || One("SELECT json FROM job WHERE id = $1", next.Id) is not { } job)
                    return null;

                job = job with { Status = VideoJobStatus.InProgress, StartedAt = now, Attempts = job.Attempts + 1 };
                return Replace(job) ? job : null;
            },
            cancellationToken,
            taken =>
            {
                if (taken is not null)
                    _queue.Take();
            });

    /// <inheritdoc/>
    public Task<bool> UpdateAsync(VideoJob job, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(job);
        return InTurnAsync(() => Replace(job), cancellationToken, isThere =>
        {
            if (isThere)
                Follow(job);
        });
    }

    /// <inheritdoc/>
    public Task<bool> RemoveAsync(string id, CancellationToken cancellationToken = default) =>
        InTurnAsync(() => Execute("DELETE FROM job WHERE id = $1", id) > 0, cancellationToken, _ => _queue.Remove(id));

    /// <inheritdoc/>
    public Task<IReadOnlyList<VideoJob>> ListAsync(VideoJobStatus status, CancellationToken cancellationToken = default) =>
        InTurnAsync<IReadOnlyList<VideoJob>>(
            () => All("SELECT json FROM job WHERE status = $1 ORDER BY number", (int)status), cancellationToken);

    /// <inheritdoc/>
    public Task<int> CountAsync(VideoJobStatus status, CancellationToken cancellationToken = default) =>
        InTurnAsync(() => (int)Scalar("SELECT COUNT(*) FROM job WHERE status = $1", (int)status), cancellationToken);

    /// <inheritdoc/>
    public Task<int?> QueuePositionAsync(string id, CancellationToken cancellationToken = default) =>
        InTurnAsync(() => _queue.Position(id), cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> ListDisposableAsync(
        DateTimeOffset now, long maxBytes, CancellationToken cancellationToken = default) =>
        InTurnAsync<IReadOnlyList<string>>(
            () =>
            {
                // Summed from the newest backwards: whatever goes beyond the limit is older than all that fits.
                using var command = Command(
                    """
                    SELECT id FROM (
                        SELECT id, number, expires_at, SUM(bytes) OVER (ORDER BY number DESC) AS kept FROM job WHERE status > $1)
                    WHERE expires_at <= $2 OR kept > $3 ORDER BY number
                    """,
                    (int)VideoJobStatus.InProgress, now.ToUnixTimeMilliseconds(), maxBytes);
                using var reader = command.ExecuteReader();
                var ids = new List<string>();
                while (reader.Read())
                    ids.Add(reader.GetString(0));

                return ids;
            },
            cancellationToken);

    /// <summary>Closes the database.</summary>
    public void Dispose()
    {
        _connection.Dispose();
        _turn.Dispose();
    }

    private void Open()
    {
        _connection.Open();
        // A lock that the process holds until it ends, however it ends.
        Execute("PRAGMA locking_mode = EXCLUSIVE");
        Execute("PRAGMA journal_mode = WAL");
        Execute("PRAGMA synchronous = FULL");
        using var transaction = _connection.BeginTransaction();
        var version = Scalar("PRAGMA user_version");
        if (version == 0 && Scalar("SELECT COUNT(*) FROM sqlite_master") == 0)
        {
            Execute(Tables);
            Execute($"PRAGMA user_version = {Version}");
        }
        else if (version != Version)
        {
            throw new EnvironmentException(
                "database", $"The database of jobs {_connection.DataSource} has version {version}; this program reads version {Version}. "
                    + "Choose another folder.");
        }

        transaction.Commit();
        foreach (var job in All("SELECT json FROM job WHERE status = $1 ORDER BY number", (int)VideoJobStatus.Queued))
            Follow(job);
    }

    /// <summary>Brings the queue to the state of a job that is stored.</summary>
    private void Follow(VideoJob job)
    {
        if (job.HasEnded)
            _queue.Remove(job.Id);
        else if (job.Status == VideoJobStatus.Queued && _queue.Contains(job.Id))
            _queue.Return(job.Id);
        else if (job.Status == VideoJobStatus.Queued)
            _queue.Add(Scalar("SELECT number FROM job WHERE id = $1", job.Id), Entry(job));
    }

    private static QueueEntry Entry(VideoJob job) => new(job.Id, job.Owner);

    private async Task<T> InTurnAsync<T>(Func<T> work, CancellationToken cancellationToken, Action<T>? committed = null)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            using var transaction = _connection.BeginTransaction();
            var result = work();
            transaction.Commit();
            committed?.Invoke(result);
            return result;
        }
        catch (SqliteException exception) when (exception.SqliteErrorCode is DiskFailed or DiskFull)
        {
            throw new EnvironmentException(
                "database", $"The jobs in {_connection.DataSource} cannot be stored: {exception.Message} Is there room on the disk?",
                exception);
        }
        finally
        {
            _turn.Release();
        }
    }

    private bool Replace(VideoJob job) => Execute(
        "UPDATE job SET status = $2, expires_at = $3, bytes = $4, json = $5 WHERE id = $1",
        job.Id, (int)job.Status, Expiry(job), Bytes(job), Text(job)) > 0;

    private VideoJob? One(string sql, params object?[] values) => All(sql, values) is [var job, ..] ? job : null;

    private List<VideoJob> All(string sql, params object?[] values)
    {
        using var command = Command(sql, values);
        using var reader = command.ExecuteReader();
        var jobs = new List<VideoJob>();
        while (reader.Read())
            jobs.Add(JsonSerializer.Deserialize<VideoJob>(reader.GetString(0), Json)!);

        return jobs;
    }

    private long Scalar(string sql, params object?[] values)
    {
        using var command = Command(sql, values);
        return (long)command.ExecuteScalar()!;
    }

    private int Execute(string sql, params object?[] values)
    {
        using var command = Command(sql, values);
        return command.ExecuteNonQuery();
    }

    private SqliteCommand Command(string sql, params object?[] values)
    {
        var command = _connection.CreateCommand();
        command.CommandText = sql;
        for (var i = 0; i < values.Length; i++)
            command.Parameters.AddWithValue($"${i + 1}", values[i] ?? DBNull.Value);

        return command;
    }

    private static long? Expiry(VideoJob job) => job.ExpiresAt?.ToUnixTimeMilliseconds();

    private static long Bytes(VideoJob job) => job.Video?.Bytes ?? 0;

    // What is true of this moment alone is not stored.
    private static string Text(VideoJob job) => JsonSerializer.Serialize(job with { Progress = null }, Json);
}
