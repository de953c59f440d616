using Amazon;
using Amazon.Runtime;
using Amazon.S3;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;
using TurboDiffusion.AspNetCore.Files;
using TurboDiffusion.AspNetCore.S3;

// The namespace in which users look for registrations.
#pragma warning disable IDE0130
namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers an object store for videos.</summary>
public static class S3VideoFilesServiceCollectionExtensions
{
    private const string AnyRegion = "us-east-1";

    /// <summary>Keeps the files of jobs in a bucket. Call it before <c>AddVideoService</c>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets the options.</param>
    /// <returns><paramref name="services"/>.</returns>
    public static IServiceCollection AddS3VideoFiles(this IServiceCollection services, Action<S3VideoFileOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        services.AddS3VideoFilesCore().Configure(configure);
        return services;
    }

    /// <summary>Keeps the files of jobs in a bucket, with options from the configuration; see the other overload.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configuration">A section with the properties of <see cref="S3VideoFileOptions"/>.</param>
    /// <returns><paramref name="services"/>.</returns>
    public static IServiceCollection AddS3VideoFiles(this IServiceCollection services, IConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        services.AddS3VideoFilesCore().Bind(configuration, binder => binder.ErrorOnUnknownConfiguration = true);
        return services;
    }

    private static OptionsBuilder<S3VideoFileOptions> AddS3VideoFilesCore(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddSingleton<IAmazonS3>(provider => Client(provider.GetRequiredService<IOptions<S3VideoFileOptions>>().Value));
        services.AddSingleton<IVideoFileStore>(provider => new S3VideoFileStore(
            provider.GetRequiredService<IAmazonS3>(),
            provider.GetRequiredService<IOptions<S3VideoFileOptions>>().Value.Bucket!,
            provider.GetRequiredService<IOptions<S3VideoFileOptions>>().Value.Prefix));
        return services.AddOptions<S3VideoFileOptions>()
            .Validate(options => options.Bucket is { Length: > 0 }, "Bucket is empty; name the bucket that keeps the videos.")
            .Validate(
                options => options.ServiceUrl is null || Uri.TryCreate(options.ServiceUrl, UriKind.Absolute, out var uri)
                    && uri.Scheme is "http" or "https",
                "ServiceUrl is no address; give one such as http://10.0.0.7:9000, or leave it out for Amazon's store.")
            .ValidateOnStart();
    }

    /// <summary>Makes the client of a store.</summary>
    /// <param name="options">Which store.</param>
    /// <param name="credentials">Who asks; <see langword="null"/>: as the environment says.</param>
    internal static AmazonS3Client Client(S3VideoFileOptions options, AWSCredentials? credentials = null)
    {
        var config = new AmazonS3Config
        {
            // Checksums that other stores than Amazon's do not all know.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        };
        if (options.ServiceUrl is { } address)
            (config.ServiceURL, config.ForcePathStyle, config.AuthenticationRegion) = (address, true, options.Region ?? AnyRegion);
        else if (options.Region is { } region)
            config.RegionEndpoint = RegionEndpoint.GetBySystemName(region);

        return credentials is null ? new AmazonS3Client(config) : new AmazonS3Client(credentials, config);
    }
}
