using System.Net;
using Amazon.S3;
using Amazon.S3.Model;
using TurboDiffusion.AspNetCore.Files;
using TurboDiffusion.AspNetCore.Jobs;

namespace TurboDiffusion.AspNetCore.S3;

/// <summary>Keeps the files of jobs in a bucket of an object store: an object for each, under the job's name.</summary>
/// <param name="client">The store; it stays the caller's.</param>
/// <param name="bucket">The bucket, which exists.</param>
/// <param name="prefix">What the keys begin with.</param>
public sealed class S3VideoFileStore(IAmazonS3 client, string bucket, string prefix = "") : IVideoFileStore
{
    /// <inheritdoc/>
    public async Task SaveAsync(
        string jobId, string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        // An object appears when it is whole.
        using var stream = new MemoryStream(content.ToArray(), writable: false);
        await client.PutObjectAsync(
            new PutObjectRequest
            {
                BucketName = bucket,
                Key = KeyOf(jobId, name),
                InputStream = stream,
                ContentType = VideoFileNames.MediaType(name),
                // Other stores than Amazon's do not all know bodies that are signed in pieces.
                UseChunkEncoding = false,
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<Stream?> OpenAsync(string jobId, string name, CancellationToken cancellationToken = default)
    {
        var key = KeyOf(jobId, name);
        try
        {
            var about = await client.GetObjectMetadataAsync(
                new GetObjectMetadataRequest { BucketName = bucket, Key = key }, cancellationToken).ConfigureAwait(false);
            return new S3ObjectStream(client, bucket, key, about.ETag, about.ContentLength);
        }
        catch (AmazonS3Exception exception) when (exception.StatusCode == HttpStatusCode.NotFound)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public Task DeleteRunsAsync(string jobId, int before, CancellationToken cancellationToken = default) =>
        DeleteAsync(jobId, name => VideoFileNames.RunOf(name) < before, cancellationToken);

    /// <inheritdoc/>
    public Task DeleteAsync(string jobId, CancellationToken cancellationToken = default) =>
        DeleteAsync(jobId, _ => true, cancellationToken);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> ListJobsAsync(CancellationToken cancellationToken = default)
    {
        var jobs = new List<string>();
        var request = new ListObjectsV2Request { BucketName = bucket, Prefix = prefix, Delimiter = "/" };
        await foreach (var page in client.Paginators.ListObjectsV2(request).Responses.WithCancellation(cancellationToken)
            .ConfigureAwait(false))
            jobs.AddRange((page.CommonPrefixes ?? []).Select(folder => folder[prefix.Length..].TrimEnd('/')).Where(VideoJobId.IsValid));

        return jobs;
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> ListAsync(string jobId, CancellationToken cancellationToken = default)
    {
        var names = new List<string>();
        var request = new ListObjectsV2Request { BucketName = bucket, Prefix = FolderOf(jobId) };
        await foreach (var page in client.Paginators.ListObjectsV2(request).Responses.WithCancellation(cancellationToken)
            .ConfigureAwait(false))
            names.AddRange((page.S3Objects ?? []).Select(found => found.Key[request.Prefix.Length..]).Where(VideoFileNames.IsValid));

        return names;
    }

    private async Task DeleteAsync(string jobId, Func<string, bool> isOld, CancellationToken cancellationToken)
    {
        foreach (var name in (await ListAsync(jobId, cancellationToken).ConfigureAwait(false)).Where(isOld))
            await client.DeleteObjectAsync(bucket, FolderOf(jobId) + name, cancellationToken).ConfigureAwait(false);
    }

    private string FolderOf(string jobId) => VideoJobId.IsValid(jobId) ? $"{prefix}{jobId}/"
        : throw new ArgumentException($"'{jobId}' is not the name of a job.", nameof(jobId));

    private string KeyOf(string jobId, string name) => VideoFileNames.IsValid(name) ? FolderOf(jobId) + name
        : throw new ArgumentException($"'{name}' is not the name of a job's file.", nameof(name));
}
