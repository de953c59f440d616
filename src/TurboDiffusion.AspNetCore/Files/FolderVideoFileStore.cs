using TurboDiffusion.AspNetCore.Jobs;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.AspNetCore.Files;

/// <summary>Keeps the files of jobs in a folder, which may be one that several machines share: a folder for each job.</summary>
public sealed class FolderVideoFileStore : IVideoFileStore
{
    private readonly string _root;

    /// <summary>Creates the store. What processes that were killed left half written is removed.</summary>
    /// <param name="folder">The folder; made where it is missing.</param>
    /// <exception cref="EnvironmentException">The folder cannot be made.</exception>
    public FolderVideoFileStore(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        try
        {
            _root = Directory.CreateDirectory(folder).FullName;
            foreach (var job in Directory.EnumerateDirectories(_root))
                OutputFolder.Sweep(job);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException("disk", $"The folder {folder} for videos cannot be made: {exception.Message}", exception);
        }
    }

    /// <inheritdoc/>
    public Task SaveAsync(string jobId, string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        var path = PathOf(jobId, name);
        return Task.Run(() => AtomicFile.Write(path, file => file.Write(content.Span)), cancellationToken);
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
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException("disk", $"The file {name} of {jobId} cannot be read: {exception.Message}", exception);
        }
    }

    /// <inheritdoc/>
    public Task DeleteRunsAsync(string jobId, int before, CancellationToken cancellationToken = default)
    {
        var folder = new DirectoryInfo(FolderOf(jobId));
        return Task.Run(
            () =>
            {
                foreach (var file in folder.Exists ? folder.GetFiles() : [])
                {
                    if (VideoFileNames.RunOf(file.Name) < before)
                        file.Delete();
                }
            },
            cancellationToken);
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
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException("disk", $"The files of {jobId} cannot be deleted: {exception.Message}", exception);
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> ListJobsAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            return Task.FromResult<IReadOnlyList<string>>(
                [.. Directory.EnumerateDirectories(_root).Select(Path.GetFileName).OfType<string>().Where(VideoJobId.IsValid)]);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new EnvironmentException("disk", $"The folder {_root} for videos cannot be listed: {exception.Message}", exception);
        }
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> ListAsync(string jobId, CancellationToken cancellationToken = default)
    {
        var folder = new DirectoryInfo(FolderOf(jobId));
        return Task.FromResult<IReadOnlyList<string>>(folder.Exists
            ? [.. folder.EnumerateFiles().Select(file => file.Name).Where(VideoFileNames.IsValid)] : []);
    }

    private string FolderOf(string jobId) => VideoJobId.IsValid(jobId)
        ? Path.Combine(_root, jobId)
        : throw new ArgumentException($"'{jobId}' is not the name of a job.", nameof(jobId));

    private string PathOf(string jobId, string name) => VideoFileNames.IsValid(name)
        ? Path.Combine(FolderOf(jobId), name)
        : throw new ArgumentException($"'{name}' is not the name of a job's file.", nameof(name));
}
