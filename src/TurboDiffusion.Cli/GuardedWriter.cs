using System.Text;

namespace TurboDiffusion.Cli;

/// <summary>A standard output that may fail: closed, on a full disk, of a terminal that is gone.</summary>
/// <param name="inner">Where it goes.</param>
/// <param name="failed">What becomes of a failure. Without one, what cannot be said is not said.</param>
internal sealed class GuardedWriter(TextWriter inner, Func<Exception, Exception>? failed = null) : TextWriter(inner.FormatProvider)
{
    public override Encoding Encoding => inner.Encoding;

    public override void Write(char value) => Guard(() => inner.Write(value));

    public override void Write(string? value) => Guard(() => inner.Write(value));

    public override void Write(char[] buffer, int index, int count) => Guard(() => inner.Write(buffer, index, count));

    public override void WriteLine(string? value) => Guard(() => inner.WriteLine(value));

    public override void Flush() => Guard(inner.Flush);

    private void Guard(Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            if (failed is not null) throw failed(e);
        }
    }
}
