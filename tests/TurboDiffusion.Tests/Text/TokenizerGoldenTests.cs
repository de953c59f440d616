using System.Text.Json;
using TurboDiffusion.Generation.Text;
using TurboDiffusion.Pipelines;
using TurboDiffusion.Tests.Golden;
using Xunit;

namespace TurboDiffusion.Tests.Text;

/// <summary>Texts, cleaned texts and ids of the official code, from the repository and from the golden folder.</summary>
public class TokenizerGoldenTests
{
    public static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Text", "Data");

    [Fact]
    public void Every_case_of_the_repository_gives_the_official_ids() => RunAll(Folder);

    [Fact]
    public void Every_case_of_the_golden_folder_gives_the_official_ids() =>
        RunAll(Path.GetDirectoryName(GoldenFixtures.Require("tokenizer.json"))!);

    private static void RunAll(string folder)
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "tokenizer.json")));
        JsonElement root = golden.RootElement;
        int maxLength = root.GetProperty("max_length").GetInt32();
        var tokenizer = SentencePieceTextTokenizer.Open(Path.Combine(folder, root.GetProperty("model").GetString()!), maxLength);
        JsonElement[] cases = [.. root.GetProperty("cases").EnumerateArray()];
        Assert.NotEmpty(cases);
        Assert.All(cases, c =>
        {
            TokenizedPrompt actual = tokenizer.Encode(c.GetProperty("text").GetString()!);
            Assert.Equal(c.GetProperty("cleaned").GetString(), actual.Text);
            Assert.Equal(c.GetProperty("length").GetInt32(), actual.Length);
            long[] expected = [.. c.GetProperty("ids").EnumerateArray().Select(id => id.GetInt64())];
            Assert.Equal(maxLength, actual.Ids.Count);
            Assert.Equal(expected.Take(actual.Length), actual.Ids.Take(actual.Length));
            Assert.All(actual.Ids.Skip(actual.Length), id => Assert.Equal(root.GetProperty("pad").GetInt64(), id));
        });
    }
}
