using TurboDiffusion.Generation.Text;
using TurboDiffusion.Pipelines;
using Xunit;

namespace TurboDiffusion.Tests.Text;

public class SentencePieceVocabularyTests
{
    [Fact]
    public void Known_words_are_one_token_and_others_are_spelled()
    {
        string path = Path.Combine(Directory.CreateTempSubdirectory().FullName, "spiece.model");
        SentencePieceVocabulary.Write(path, ["a", "red", "circle", "across"]);
        SentencePieceTextTokenizer tokenizer = SentencePieceTextTokenizer.Open(path, 12);
        TokenizedPrompt known = tokenizer.Encode("a red circle");
        Assert.Equal(4, known.Length);
        Assert.Equal(1, known.Ids[3]);
        Assert.Equal(4, known.Ids.Take(4).Distinct().Count());

        TokenizedPrompt capital = tokenizer.Encode("A red circle.");
        Assert.Equal(5, capital.Length);
        Assert.NotEqual(known.Ids[0], capital.Ids[0]);
        Assert.Equal(known.Ids[1], capital.Ids[1]);

        // No word of the list: a word start and its letters.
        Assert.Equal(5, tokenizer.Encode("cat").Length);
        Assert.DoesNotContain(2, tokenizer.Encode("cat, 7 dogs!").Ids);
        Assert.Contains(2, tokenizer.Encode("é").Ids);
        Assert.Single(Directory.GetFiles(Path.GetDirectoryName(path)!));
    }

    [Theory]
    [InlineData("")]
    [InlineData("two words")]
    public void A_word_is_one_word(string word) =>
        Assert.Throws<InvalidRequestException>(() => SentencePieceVocabulary.Write(Path.GetTempFileName(), [word]));
}
