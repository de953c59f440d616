using System.Text;
using CsCheck;
using TurboDiffusion.Generation.Text;
using TurboDiffusion.Pipelines;
using Xunit;
using Library = Microsoft.ML.Tokenizers;

namespace TurboDiffusion.Tests.Text;

public sealed class SentencePieceTextTokenizerTests : IDisposable
{
    private static readonly string SmallModel = Path.Combine(TokenizerGoldenTests.Folder, "spiece.model");

    private readonly string _folder = Directory.CreateTempSubdirectory("tokenizer-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_vocabulary_size_counts_every_piece() =>
        Assert.Equal(1500, SentencePieceTextTokenizer.Open(SmallModel).VocabularySize);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public void A_long_prompt_is_cut_and_still_ended(int maxLength)
    {
        TokenizedPrompt prompt = SentencePieceTextTokenizer.Open(SmallModel, maxLength).Encode("cat cat cat cat cat cat cat cat");
        Assert.Equal(maxLength, prompt.Length);
        Assert.Equal([.. Enumerable.Repeat(473L, maxLength - 1), 1L], prompt.Ids);
    }

    [Fact]
    public void A_prompt_of_exactly_the_length_is_not_cut()
    {
        var tokenizer = SentencePieceTextTokenizer.Open(SmallModel, 4);
        Assert.Equal([473, 473, 473, 1], tokenizer.Encode("cat cat cat").Ids);
        Assert.Equal([473, 473, 1, 0], tokenizer.Encode("cat cat").Ids);
    }

    [Fact]
    public void The_library_agrees_on_texts_that_need_no_bytes()
    {
        using Stream stream = File.OpenRead(SmallModel);
        var library = Library.SentencePieceTokenizer.Create(stream, addBeginningOfSentence: false, addEndOfSentence: true);
        var own = SentencePieceTextTokenizer.Open(SmallModel);
        char[] alphabet = [.. library.Vocabulary.Keys.Where(k => k.Length == 1).Select(k => k[0] == '\u2581' ? ' ' : k[0])];
        Assert.True(alphabet.Length > 50);
        Gen.Int[0, alphabet.Length - 1].Select(i => alphabet[i]).Array[1, 80].Select(c => TextCleaner.Clean(new string(c)))
            .Where(t => t.Length > 0)
            .Sample(text =>
            {
                TokenizedPrompt actual = own.Encode(text);
                Assert.Equal(library.EncodeToIds(text).Select(id => (long)id), actual.Ids.Take(actual.Length));
            }, iter: 300);
    }

    [Fact]
    public void Any_text_gives_ids_of_the_vocabulary_and_an_end()
    {
        var tokenizer = SentencePieceTextTokenizer.Open(SmallModel);
        Gen.String[Gen.Char, 0, 60].Sample(text =>
        {
            TokenizedPrompt prompt = tokenizer.Encode(text);
            return prompt.Ids.All(id => id >= 0 && id < tokenizer.VocabularySize)
                && prompt.Ids[prompt.Length - 1] == 1 && prompt.Ids.Skip(prompt.Length).All(id => id == 0);
        }, iter: 500);
    }

    [Fact]
    public void The_most_probable_split_wins_over_the_longest_piece()
    {
        var model = new ModelFile();
        int space = model.Add("\u2581", -1), ab = model.Add("ab", -1), c = model.Add("c", -1), a = model.Add("a", -5),
            bc = model.Add("bc", -1);
        int abc = model.Add("abc", -9);
        Assert.Equal([space, ab, c], Encode(model, "abc"));
        _ = (a, bc, abc);
    }

    [Fact]
    public void A_model_without_rules_leaves_characters_alone()
    {
        var model = new ModelFile();
        int space = model.Add("\u2581"), full = model.Add("Ｆ"), plain = model.Add("F");
        Assert.Equal([space, full, plain], Encode(model, "ＦF"));
    }

    [Fact]
    public void The_rules_of_the_file_are_applied_with_the_longest_match()
    {
        // "a" → "X", "ab" → "" as the double array that Darts-clone would build for them.
        var model = new ModelFile { Rules = Rules() };
        int space = model.Add("\u2581"), x = model.Add("X"), b = model.Add("b"), c = model.Add("c");
        Assert.Equal([space, x, c], Encode(model, "abac"));
        Assert.Equal([space, b, x], Encode(model, "ba"));
    }

    [Fact]
    public void User_defined_symbols_are_kept_whole_and_unnormalised()
    {
        var model = new ModelFile { Rules = Rules() };
        int space = model.Add("\u2581", -1), extra = model.Add("<a>", 0, ModelFile.UserDefined),
            longer = model.Add("<a>b", 0, ModelFile.UserDefined);
        int open = model.Add("<", -0.01f), x = model.Add("X", -0.01f), close = model.Add(">", -0.01f);
        Assert.Equal([space, x, extra, x], Encode(model, "a<a>a"));
        Assert.Equal([space, longer], Encode(model, "<a>b"));
        Assert.Equal([space, open, x], Encode(model, "<a"));
        _ = close;
    }

    [Fact]
    public void Control_symbols_and_unused_pieces_are_not_read_from_text()
    {
        var model = new ModelFile();
        int space = model.Add("\u2581"), ab = model.Add("ab", 0, ModelFile.Unused), a = model.Add("a", -3), b = model.Add("b", -3);
        Assert.Equal([space, a, b], Encode(model, "ab"));
        Assert.Equal([space, 2], Encode(model, "</s>"));
        _ = ab;
    }

    [Fact]
    public void Without_byte_fallback_a_run_of_unknown_characters_is_one_token()
    {
        var model = new ModelFile();
        int space = model.Add("\u2581"), a = model.Add("a");
        Assert.Equal([space, 2, a, 2], Encode(model, "猫🐱aż"));
    }

    [Fact]
    public void With_byte_fallback_an_unknown_character_becomes_its_bytes()
    {
        var model = new ModelFile { ByteFallback = true };
        for (int i = 255; i >= 0; i--) model.Add($"<0x{i:X2}>", 0, ModelFile.Byte);
        int space = model.Add("\u2581");
        Assert.Equal([space, .. Encoding.UTF8.GetBytes("🐱").Select(b => 3 + 255 - b)], Encode(model, "🐱"));
    }

    [Fact]
    public void White_space_flags_of_the_file_are_honoured()
    {
        Assert.Equal("\u2581a\u2581b", Normalize(new ModelFile(), " a  b "));
        Assert.Equal("a\u2581b", Normalize(new ModelFile { AddDummyPrefix = false }, " a  b "));
        Assert.Equal("\u2581\u2581a\u2581\u2581b\u2581", Normalize(new ModelFile { RemoveExtraWhitespace = false }, " a  b "));
        Assert.Equal(" a b", Normalize(new ModelFile { EscapeWhitespace = false }, " a  b "));
        Assert.Equal("a\u2581b\u2581", Normalize(new ModelFile { WhitespaceAsSuffix = true }, " a  b "));
        Assert.Equal("", Normalize(new ModelFile(), "   "));
    }

    [Fact]
    public void A_missing_file_is_refused()
    {
        var error = Assert.Throws<CheckpointException>(() => SentencePieceTextTokenizer.Open(Path.Combine(_folder, "none.model")));
        Assert.Contains("none.model", error.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"model\": \"a tokenizer.json\"}")]
    [InlineData("PK\u0003\u0004 a zip")]
    public void Another_file_is_refused(string content)
    {
        string path = Path.Combine(_folder, "other");
        File.WriteAllText(path, content);
        var error = Assert.Throws<CheckpointException>(() => SentencePieceTextTokenizer.Open(path));
        Assert.Contains("SentencePiece", error.Message);
    }

    [Fact]
    public void A_model_of_another_type_is_refused()
    {
        var error = Assert.Throws<CheckpointException>(() => Encode(new ModelFile { ModelType = 2 }, "a"));
        Assert.Contains("type 2", error.Message);
    }

    [Fact]
    public void Malformed_rules_are_refused()
    {
        byte[][] malformed = [[1], [0, 0, 0, 0, 0], [255, 255, 255, 255, 0], [4, 0, 0, 0, 9, 0, 0, 128, 0], [4, 0, 0, 0, 1, 2, 3, 4, 65]];
        Assert.All(malformed, rules => Assert.Throws<CheckpointException>(() => Encode(new ModelFile { Rules = rules }, "a")));
    }

    [Fact]
    public void A_damaged_file_is_refused_or_read_but_never_anything_else()
    {
        byte[] whole = File.ReadAllBytes(SmallModel);
        string path = Path.Combine(_folder, "damaged.model");
        Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Byte, Gen.Int[1, whole.Length]).Sample((at, value, length) =>
        {
            byte[] damaged = whole[..length];
            damaged[at % length] = value;
            File.WriteAllBytes(path, damaged);
            try
            {
                SentencePieceTextTokenizer.Open(path).Encode("a ﬁne cat é 猫");
            }
            catch (CheckpointException)
            {
            }
        }, iter: 150, threads: 1);
    }

    /// <summary>A double array for "a" → "X" and "ab" → "" (root 0; 'a' at 0x60 ^ …), values at places 0 and 2.</summary>
    private static byte[] Rules()
    {
        // Node positions: root's children at offset 256, those of 'a' at offset 512, those of 'b' at offset 1024.
        var units = new uint[2048];
        units[0] = Unit(256, 0, false);
        units[256 ^ 'a'] = Unit(512 ^ 256 ^ 'a', 'a', true);
        units[512] = 1u << 31;
        units[512 ^ 'b'] = Unit(1024 ^ 512 ^ 'b', 'b', true);
        units[1024] = 1u << 31 | 2;
        using var rules = new MemoryStream();
        using var writer = new BinaryWriter(rules);
        writer.Write(units.Length * 4);
        foreach (uint unit in units) writer.Write(unit);
        writer.Write("X\0\0"u8);
        return rules.ToArray();

        static uint Unit(int offset, int label, bool hasValue) => (uint)offset << 10 | (hasValue ? 1u << 8 : 0) | (uint)label;
    }

    private long[] Encode(ModelFile model, string text)
    {
        TokenizedPrompt prompt = SentencePieceTextTokenizer.Open(model.WriteTo(Path.Combine(_folder, "test.model"))).Encode(text);
        Assert.Equal(1, prompt.Ids[prompt.Length - 1]);
        return [.. prompt.Ids.Take(prompt.Length - 1)];
    }

    private string Normalize(ModelFile model, string text) =>
        new SentencePieceNormalizer(SentencePieceModel.Read(model.WriteTo(Path.Combine(_folder, "test.model")))).Normalize(text);
}
