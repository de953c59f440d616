using System.Net;
using Amazon.Runtime;
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
        var request = new PutObjectRequest
        {
            BucketName = bucket,
            Key = KeyOf(jobId, name),
            InputStream = stream,
            ContentType = VideoFileNames.MediaType(name),
            // Other stores than Amazon's do not all know bodies that are signed in pieces.
            UseChunkEncoding = false,
        };
        await AskAsync($"take {name}", () => client.PutObjectAsync(request, cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<Stream?> OpenAsync(string jobId, string name, CancellationToken cancellationToken = default)
    {
        var key = KeyOf(jobId, name);
        var about = await AskAsync($"give {name}", AboutAsync, cancellationToken).ConfigureAwait(false);
        return about is null ? null : new S3ObjectStream(client, bucket, key, about.ETag, about.ContentLength);

        async Task<GetObjectMetadataResponse?> AboutAsync()
        {
            try
            {
                return await client.GetObjectMetadataAsync(
                    new GetObjectMetadataRequest { BucketName = bucket, Key = key }, cancellationToken).ConfigureAwait(false);
            }
            catch (AmazonS3Exception exception) when (exception.StatusCode == HttpStatusCode.NotFound)
            {
                return null;
            }
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
        var request = new ListObjectsV2Request { BucketName = bucket, Prefix = prefix, Delimiter = "/" };
        var folders = await ListAsync("list its objects", request, page => page.CommonPrefixes, cancellationToken).ConfigureAwait(false);
        return [.. folders.Select(folder => folder[prefix.Length..].TrimEnd('/')).Where(VideoJobId.IsValid)];
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> ListAsync(string jobId, CancellationToken cancellationToken = default) =>
        [.. (await NamesAsync(jobId, cancellationToken).ConfigureAwait(false)).Where(VideoFileNames.IsValid)];

    // No room, no right, no bucket, no answer: all of it is said in the words of the store.
    private static async Task<T> AskAsync<T>(string what, Func<Task<T>> call, CancellationToken cancellationToken)
    {
        try
        {
            return await call().ConfigureAwait(false);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested && exception is
            AmazonServiceException or AmazonClientException or HttpRequestException or IOException or OperationCanceledException)
        {
            var reason = exception switch
            {
                AmazonServiceException { StatusCode: not 0 } said => $"{(int)said.StatusCode} {said.ErrorCode}, {said.Message}",
                OperationCanceledException => "it gave no answer",
                _ => exception.Message,
            };
            throw new EnvironmentException("object store", $"The object store did not {what}: {reason.TrimEnd('.')}.", exception);
        }
    }

    // Of all that lies in the folder of a job.
    private async Task<IEnumerable<string>> NamesAsync(string jobId, CancellationToken cancellationToken)
    {
        var request = new ListObjectsV2Request { BucketName = bucket, Prefix = FolderOf(jobId) };
        var found = await ListAsync($"list the files of {jobId}", request, page => page.S3Objects, cancellationToken).ConfigureAwait(false);
        return found.Select(item => item.Key[request.Prefix.Length..]);
    }

    private Task<List<T>> ListAsync<T>(
        string what, ListObjectsV2Request request, Func<ListObjectsV2Response, List<T>?> items, CancellationToken cancellationToken)
    {
        return AskAsync(what, AllAsync, cancellationToken);

        async Task<List<T>> AllAsync()
        {
            var all = new List<T>();
            await foreach (var page in client.Paginators.ListObjectsV2(request).Responses.WithCancellation(cancellationToken)
                .ConfigureAwait(false))
                all.AddRange(items(page) ?? []);

            return all;
        }
    }

    private async Task DeleteAsync(string jobId, Func<string, bool> isOld, CancellationToken cancellationToken)
    {
        foreach (var name in (await NamesAsync(jobId, cancellationToken).ConfigureAwait(false)).Where(isOld))
        {
            var key = FolderOf(jobId) + name;
            await AskAsync($"delete {name} of {jobId}", () => client.DeleteObjectAsync(bucket, key, cancellationToken), cancellationToken)
                .ConfigureAwait(false);
        }
    }

    private string FolderOf(string jobId) => VideoJobId.IsValid(jobId) ? $"{prefix}{jobId}/"
        : throw new ArgumentException($"'{jobId}' is not the name of a job.", nameof(jobId));

    private string KeyOf(string jobId, string name) => VideoFileNames.IsValid(name) ? FolderOf(jobId) + name
        : throw new ArgumentException($"'{name}' is not the name of a job's file.", nameof(name));
}
