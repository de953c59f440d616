using System.Runtime.CompilerServices;

namespace TurboDiffusion.Runtime.Cuda;

/// <summary>What a call of the driver was, for <see cref="CudaDriver"/>.<c>Check</c>: put together only where it failed.</summary>
[InterpolatedStringHandler]
internal ref struct CudaCall
{
    private DefaultInterpolatedStringHandler _text;

    public CudaCall(int literals, int values, int result, out bool failed)
    {
        failed = result != 0;
        _text = failed ? new DefaultInterpolatedStringHandler(literals, values) : default;
    }

    public void AppendLiteral(string text) => _text.AppendLiteral(text);

    public void AppendFormatted<T>(T value) => _text.AppendFormatted(value);

    /// <summary>The text; once.</summary>
    public string End() => _text.ToStringAndClear();
}
