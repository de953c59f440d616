namespace TurboDiffusion.AspNetCore.Files;

/// <summary>Keeps the files of jobs. One that all machines of a service see lets any of them serve any video.</summary>
/// <remarks>
/// Where it cannot be asked, or says no, that is an <see cref="EnvironmentException"/>, whose message the owner of a failed job reads.
/// </remarks>
public interface IVideoFileStore
{
    /// <summary>Stores a file, whole or not at all; one of the same name is replaced.</summary>
    /// <param name="jobId">The job; see <see cref="Jobs.VideoJobId"/>.</param>
    /// <param name="name">A name of <see cref="VideoFileNames"/>.</param>
    /// <param name="content">The bytes.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="EnvironmentException">There is no room for it, or it may not be written.</exception>
    Task SaveAsync(string jobId, string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default);

    /// <summary>Opens a file for reading.</summary>
    /// <param name="jobId">The job.</param>
    /// <param name="name">The file's name.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <returns>A stream that can seek, of a file that does not change; <see langword="null"/> where there is none.</returns>
    /// <exception cref="EnvironmentException">It cannot be read.</exception>
    Task<Stream?> OpenAsync(string jobId, string name, CancellationToken cancellationToken = default);

    /// <summary>Deletes what early runs of a job have stored, if anything; its images stay.</summary>
    /// <param name="jobId">The job.</param>
    /// <param name="before">The first run whose results stay; see <see cref="VideoFileNames.RunOf"/>.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    Task DeleteRunsAsync(string jobId, int before, CancellationToken cancellationToken = default);

    /// <summary>Deletes the files of a job, if there are any.</summary>
    /// <param name="jobId">The job.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="EnvironmentException">They cannot be deleted.</exception>
    Task DeleteAsync(string jobId, CancellationToken cancellationToken = default);

    /// <summary>Lists the jobs that have files.</summary>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <exception cref="EnvironmentException">They cannot be listed.</exception>
    Task<IReadOnlyList<string>> ListJobsAsync(CancellationToken cancellationToken = default);

    /// <summary>Lists the files of a job, if there are any.</summary>
    /// <param name="jobId">The job.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    Task<IReadOnlyList<string>> ListAsync(string jobId, CancellationToken cancellationToken = default);
}
