using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace TurboDiffusion.AspNetCore.Endpoints;

/// <summary>
/// What the OpenAPI document says of the bodies that the endpoints read and write by themselves: the fields of requests as a form and as
/// JSON, the answers, and the errors.
/// </summary>
internal static class ApiDocument
{
    private const string Json = "application/json";
    private const string Form = "multipart/form-data";

    /// <summary>Says that an endpoint reads the fields of a request.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="options">The bounds.</param>
    /// <param name="fields">Which fields; a prompt is among them.</param>
    public static RouteHandlerBuilder Takes(
        this RouteHandlerBuilder endpoint, VideoServiceOptions options, IEnumerable<RequestField> fields)
    {
        RequestField[] taken = [.. fields];
        return endpoint.AddOpenApiOperationTransformer((operation, _, _) =>
        {
            operation.RequestBody = new OpenApiRequestBody
            {
                Required = true,
                Content = new Dictionary<string, OpenApiMediaType>
                {
                    [Form] = new() { Schema = Body(taken, options, isForm: true) },
                    [Json] = new() { Schema = Body(taken, options, isForm: false) },
                },
            };
            (operation.Parameters ??= []).Add(new OpenApiParameter
            {
                Name = "Idempotency-Key",
                In = ParameterLocation.Header,
                Description = "The same key gives the same video, however often the request is sent.",
                Schema = new OpenApiSchema { Type = JsonSchemaType.String, MaxLength = VideoRequestReader.MaxIdempotencyKeyLength },
            });
            return Task.CompletedTask;
        });
    }

    /// <summary>Says that an endpoint answers with JSON.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="type">What is written.</param>
    /// <param name="description">In words.</param>
    public static RouteHandlerBuilder Answers(this RouteHandlerBuilder endpoint, JsonTypeInfo type, string description) =>
        endpoint.Answers(description, new() { [Json] = new() { Schema = Schema(type) } });

    /// <summary>Says that an endpoint answers with something else than JSON.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="mediaTypes">Its media types.</param>
    /// <param name="description">In words.</param>
    public static RouteHandlerBuilder Answers(this RouteHandlerBuilder endpoint, string[] mediaTypes, string description) =>
        endpoint.Answers(description, mediaTypes.ToDictionary(type => type, _ => new OpenApiMediaType()));

    /// <summary>Says which errors every endpoint of a group may answer with.</summary>
    /// <param name="group">The endpoints.</param>
    public static TBuilder Refuses<TBuilder>(this TBuilder group)
        where TBuilder : IEndpointConventionBuilder =>
        group.AddOpenApiOperationTransformer((operation, _, _) =>
        {
            foreach (var (status, when) in ((string, string)[])
            [
                ("400", "A value cannot be used; param names it."), ("401", "The API key is missing or not known."),
                ("404", "There is no such video."), ("429", "Too many requests or videos; Retry-After says when to try again."),
            ])
            {
                (operation.Responses ??= [])[status] = new OpenApiResponse
                {
                    Description = when,
                    Content = new Dictionary<string, OpenApiMediaType>
                    {
                        [Json] = new() { Schema = Schema(WireJson.Default.ErrorResource) },
                    },
                };
            }

            return Task.CompletedTask;
        });

    private static RouteHandlerBuilder Answers(
        this RouteHandlerBuilder endpoint, string description, Dictionary<string, OpenApiMediaType> content) =>
        endpoint.AddOpenApiOperationTransformer((operation, _, _) =>
        {
            (operation.Responses ??= [])["200"] = new OpenApiResponse { Description = description, Content = content };
            return Task.CompletedTask;
        });

    private static OpenApiSchema Body(IEnumerable<RequestField> fields, VideoServiceOptions options, bool isForm) => new()
    {
        Type = JsonSchemaType.Object,
        Required = new HashSet<string> { RequestField.Prompt },
        Properties = fields.ToDictionary(field => field.Name, IOpenApiSchema (field) => Schema(field, options, isForm)),
        AdditionalPropertiesAllowed = false,
    };

    private static OpenApiSchema Schema(RequestField field, VideoServiceOptions options, bool isForm)
    {
        var most = field.Most?.Invoke(options);
        var schema = new OpenApiSchema { Description = field.Description };
        switch (field.Kind)
        {
            case RequestFieldKind.Text:
                (schema.Type, schema.MaxLength) = (JsonSchemaType.String, (int?)most);
                break;
            case RequestFieldKind.Image:
                (schema.Type, schema.Format) = (JsonSchemaType.String, isForm ? "binary" : "uri");
                schema.Description += isForm ? " A JPEG, PNG or WebP file." : " A data URL, such as data:image/png;base64,….";
                break;
            default:
                schema.Type = field.Kind == RequestFieldKind.Integer ? JsonSchemaType.Integer : JsonSchemaType.Number;
                schema.Minimum = field.Least.ToString(CultureInfo.InvariantCulture);
                schema.Maximum = most?.ToString(CultureInfo.InvariantCulture);
                break;
        }

        return schema;
    }

    /// <summary>The schema of what is written: by the names that are on the wire, which are the writer's own.</summary>
    private static OpenApiSchema Schema(JsonTypeInfo type) => Schema(type.Options.GetJsonSchemaAsNode(
        type.Type, new JsonSchemaExporterOptions { TreatNullObliviousAsNonNullable = true }));

    private static OpenApiSchema Schema(JsonNode node)
    {
        var schema = new OpenApiSchema { Type = node["type"] is { } type ? TypeOf(type) : null };
        if (node["items"] is { } items)
            schema.Items = Schema(items);
        if (node["properties"] is JsonObject properties)
            schema.Properties = properties.ToDictionary(property => property.Key, IOpenApiSchema (property) => Schema(property.Value!));

        return schema;
    }

    // A name, or a list of names, such as ["string", "null"].
    private static JsonSchemaType TypeOf(JsonNode type) =>
        (type is JsonArray names ? names.Select(name => name!.GetValue<string>()) : [type.GetValue<string>()])
            .Aggregate(default(JsonSchemaType), (all, name) => all | Enum.Parse<JsonSchemaType>(name, ignoreCase: true));
}
