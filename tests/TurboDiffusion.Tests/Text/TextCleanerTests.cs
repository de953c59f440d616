using TurboDiffusion.Generation.Text;
using Xunit;

namespace TurboDiffusion.Tests.Text;

public class TextCleanerTests
{
    [Theory]
    [InlineData("  a \t\r\n b\u00A0\u3000c\u2028", "a b c")]
    [InlineData("", "")]
    [InlineData(" \n ", "")]
    [InlineData("\u001Ca\u001Cb\u001F", "a\u001Cb")]
    [InlineData("a\u200Bb", "a\u200Bb")]
    [InlineData("a &amp;lt;b&amp;gt; c", "a <b> c")]
    [InlineData("&nbsp;a&nbsp;", "a")]
    [InlineData("cafÃ© &amp; donâ€™t", "café & don’t")]
    [InlineData("“x” ﬁ Ｆ e\u0301 \u0007 \u001b[31m", "“x” ﬁ Ｆ e\u0301 \u0007 \u001b[31m")]
    public void Text_is_cleaned_and_no_more(string text, string expected) => Assert.Equal(expected, TextCleaner.Clean(text));

    // Expected values: Python's html.unescape.
    [Theory]
    [InlineData("&amp; &amp &AMP; &lt;&gt;&quot;&apos;", "& & & <>\"'")]
    [InlineData("&notit; &notin; &copy2024 &hellip;", "¬it; ∉ ©2024 …")]
    [InlineData("&hellip &nosuch; & &; &#; &#x; &a", "&hellip &nosuch; & &; &#; &#x; &a")]
    [InlineData("&#65;&#x42;&#X43;&#68", "ABCD")]
    [InlineData("&#128; &#x99; &#129;", "€ ™ \u0081")]
    [InlineData("&#0; &#xD800; &#x110000; &#99999999999999999999999; &#xFFFFFFFFFFFFFFFFFFFFF;", "\uFFFD \uFFFD \uFFFD \uFFFD \uFFFD")]
    [InlineData("[&#1;&#11;&#127;&#xFFFE;&#x1FFFF;&#xFDD0;]", "[]")]
    [InlineData("&#13;&#10;&#128049;", "\r\n🐱")]
    [InlineData("&NotEqualTilde;", "≂̸")]
    public void Character_references_are_decoded_as_in_HTML_5(string text, string expected) =>
        Assert.Equal(expected, HtmlEntities.Decode(text));

    [Theory]
    [InlineData("cafÃ©", "café")]
    [InlineData("Ã‰tat, mÃ¡s, Ã¡rbol, Ã„pfel, voilÃ\u00A0", "État, más, árbol, Äpfel, voilà")]
    [InlineData("donâ€™t â€œquoteâ€\u009d â€“ â€¦", "don’t “quote” – …")]
    [InlineData("20Â°C Â£5 a\u00C2\u00A0b", "20°C £5 a\u00A0b")]
    [InlineData("ÐŸÑ€Ð¸Ð²ÐµÑ‚", "Привет")]
    [InlineData("Ø§Ù„Ø¹Ø±Ø¨ÙŠØ©", "العربية")]
    [InlineData("ç™½çŒ« ä¸€", "白猫 一")]
    [InlineData("ðŸ\u0090± and ðŸ˜€", "🐱 and 😀")]
    [InlineData("zaÅ¼Ã³Å‚Ä‡ gÄ™Å›lÄ…", "zażółć gęślą")]
    [InlineData("caf\u00C3\u00A9 as latin-1 \u00E2\u0080\u0099", "café as latin-1 ’")]
    [InlineData("twice: cafÃƒÂ© donÃ¢â‚¬â„¢t", "twice: café don’t")]
    [InlineData("sound é and cafÃ©", "sound é and café")]
    public void Mojibake_is_repaired(string text, string expected) => Assert.Equal(expected, Mojibake.Repair(text));

    [Theory]
    [InlineData("A stylish woman walks down a Tokyo street.")]
    [InlineData("« café\u00A0» « CAFÉ\u00A0» touché…”")]
    [InlineData("NESCAFÉ® NESCAFÉ™ CAFÉ’s MANHÃ” É…")]
    [InlineData("Größe, Straße “Spaß” naïve—crème brûlée")]
    [InlineData("Ω≈ç√∫˜µ≤≥÷")]
    [InlineData("São João, coração; ÀÉÎÕÜ àéîõü ÂNGELA NÃO")]
    [InlineData("Привет 日本語 العربية 🐱🏄\u200d♀️")]
    [InlineData("\u0080\u0099 \u00C3 \u00E2\u0082")]
    public void Sound_text_stays(string text) => Assert.Equal(text, Mojibake.Repair(text));
}
