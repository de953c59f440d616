using TurboDiffusion.AspNetCore.Jobs;

namespace TurboDiffusion.AspNetCore.Files;

/// <summary>Keeps the files of jobs in a folder, which may be one that several machines share: a folder for each job.</summary>
public sealed class FolderVideoFileStore : IVideoFileStore
{
    private const string Partial = ".partial";
    private readonly string _root;

    /// <summary>Creates the store.</summary>
    /// <param name="folder">The folder; made where it is missing.</param>
    /// <exception cref="EnvironmentException">The folder cannot be made.</exception>
    public FolderVideoFileStore(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        try
        {
            _root = Directory.CreateDirectory(folder).FullName;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException("disk", $"The folder {folder} for videos cannot be made: {exception.Message}", exception);
        }
    }

    /// <inheritdoc/>
    public async Task SaveAsync(
        string jobId, string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        var path = PathOf(jobId, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        // Aside, by a name of its own: two machines may store the same file at once.
        var aside = $"{path}.{Path.GetRandomFileName()}{Partial}";
        try
        {
            await using (var file = new FileStream(aside, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                await file.WriteAsync(content, cancellationToken).ConfigureAwait(false);
                file.Flush(flushToDisk: true);
            }

            File.Move(aside, path, overwrite: true);
        }
        catch
        {
            File.Delete(aside);
            throw;
        }
    }

    /// <inheritdoc/>
    public Task<Stream?> OpenAsync(string jobId, string name, CancellationToken cancellationToken = default)
    {
        try
        {
            // Deleting the job does not disturb who is reading.
            return Task.FromResult<Stream?>(new FileStream(
                PathOf(jobId, name), FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 1 << 16, useAsync: true));
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return Task.FromResult<Stream?>(null);
        }
    }

    /// <inheritdoc/>
    public Task DeleteAsync(string jobId, CancellationToken cancellationToken = default)
    {
        try
        {
            Directory.Delete(FolderOf(jobId), recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> ListJobsAsync(CancellationToken cancellationToken = default) =>
        Task.FromResult<IReadOnlyList<string>>(
            [.. Directory.EnumerateDirectories(_root).Select(Path.GetFileName).OfType<string>().Where(VideoJobId.IsValid)]);

    private string FolderOf(string jobId) => VideoJobId.IsValid(jobId)
        ? Path.Combine(_root, jobId)
        : throw new ArgumentException($"'{jobId}' is not the name of a job.", nameof(jobId));

    private string PathOf(string jobId, string name) => VideoFileNames.IsValid(name)
        ? Path.Combine(FolderOf(jobId), name)
        : throw new ArgumentException($"'{name}' is not the name of a job's file.", nameof(name));
}
