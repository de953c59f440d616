using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using TorchSharp;
using TurboDiffusion.Checkpoints;
using TurboDiffusion.Generation.Models;
using TurboDiffusion.Generation.Text;
using TurboDiffusion.Models;
using TurboDiffusion.Runtime;

namespace TurboDiffusion.Generation;

/// <summary>A digest of a model: every tensor of its opened files, its tokenizer and its settings.</summary>
internal static class ModelFingerprint
{
    /// <summary>Reads all tensors, one at a time.</summary>
    /// <param name="checkpoints">The opened files.</param>
    /// <param name="tokenizer">The tokenizer's file.</param>
    /// <param name="spec">What the model is run with where a request does not say.</param>
    /// <param name="settings">How it is run.</param>
    /// <param name="cancellationToken">Checked before each tensor.</param>
    /// <returns>XXH128, in hexadecimal digits.</returns>
    public static string Of(
        IEnumerable<ICheckpoint> checkpoints, string tokenizer, ModelSpec spec, string settings, CancellationToken cancellationToken)
    {
        var hash = new XxHash128();
        Append(hash, settings);
        Append(hash, JsonSerializer.Serialize(spec, ModelFiles.Json));
        try
        {
            hash.Append(InputFile.ReadBytes(tokenizer, SentencePieceModel.MaxFileBytes));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(tokenizer, $"cannot be read: {e.Message}", e);
        }
        foreach (ICheckpoint checkpoint in checkpoints)
            foreach ((string name, TensorInfo info) in checkpoint.Tensors.OrderBy(t => t.Key, StringComparer.Ordinal))
            {
                cancellationToken.ThrowIfCancellationRequested();
                Append(hash, $"{name} {info}");
                using torch.Tensor tensor = checkpoint.Read(name), values = tensor.reshape(-1);
                Append(hash, values);
            }
        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    private static void Append(XxHash128 hash, string text) => hash.Append(Encoding.UTF8.GetBytes(text + "\n"));

    // A tensor can be larger than a span.
    private static void Append(XxHash128 hash, torch.Tensor values)
    {
        const long Piece = 1 << 26;
        for (long at = 0; at < values.NumberOfElements; at += Piece)
        {
            using torch.Tensor piece = values.narrow(0, at, Math.Min(Piece, values.NumberOfElements - at));
            hash.Append(piece.bytes);
        }
    }
}
