using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Xunit;

namespace TurboDiffusion.AspNetCore.Tests;

/// <summary>Requests that are sent again.</summary>
public sealed class IdempotencyTests
{
    [Fact]
    public async Task The_same_idempotency_key_gives_the_same_job_once_for_each_request()
    {
        await using var service = await TestService.StartAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => SendAsync(service, "key-1", new { prompt = "a cat" })));
        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.OK, answer.Status));
        var id = Assert.Single(answers.Select(answer => answer.Body.GetProperty("id").GetString()).Distinct())!;
        await service.EndOfAsync(id);
        Assert.Single(service.Generator.Calls);

        // What else the request says counts as well: other words, another image, and what a remix is of.
        AssertReused(await SendAsync(service, "key-1", new { prompt = "a dog" }));
        AssertReused(await SendAsync(service, "key-1", new { prompt = "a cat", seconds = 2 }));
        AssertReused(await SendAsync(service, "key-1", new { prompt = "a cat", input_reference = Image(1) }));
        AssertReused(await SendAsync(service, "key-1", new { prompt = "a cat" }, $"{id}/remix"));
        var first = await SendAsync(service, "key-2", new { prompt = "a cat", input_reference = Image(1), end_image = Image(2) });
        var second = await SendAsync(service, "key-2", new { prompt = "a cat", input_reference = Image(1), end_image = Image(2) });
        Assert.Equal(first.Body.GetProperty("id").GetString(), second.Body.GetProperty("id").GetString());
        AssertReused(await SendAsync(service, "key-2", new { prompt = "a cat", input_reference = Image(2), end_image = Image(2) }));
        AssertReused(await SendAsync(service, "key-2", new { prompt = "a cat", input_reference = Image(1), end_image = Image(1) }));
        Assert.Equal(2, (await service.GetAsync("/v1/videos")).GetProperty("data").GetArrayLength());

        static string Image(byte red) =>
            $"data:image/png;base64,{Convert.ToBase64String(FakeVideoGenerator.Picture(8, 8, red))}";

        static void AssertReused((HttpStatusCode Status, JsonElement Body) answer) =>
            Assert.Equal((HttpStatusCode.UnprocessableEntity, "idempotency_key_reused"),
                (answer.Status, answer.Body.GetProperty("error").GetProperty("code").GetString()));
    }

    private static async Task<(HttpStatusCode Status, JsonElement Body)> SendAsync(
        TestService service, string key, object body, string? path = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/v1/videos/{path}".TrimEnd('/'))
        {
            Content = JsonContent.Create(body),
            Headers = { { "Idempotency-Key", key } },
        };
        using var answer = await service.Http.SendAsync(request);
        return (answer.StatusCode, TestService.Json(await answer.Content.ReadAsStringAsync()));
    }
}
