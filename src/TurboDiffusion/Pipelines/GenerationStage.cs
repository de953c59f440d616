namespace TurboDiffusion.Pipelines;

/// <summary>The stages of a generation, in their order.</summary>
public enum GenerationStage
{
    /// <summary>A model is being read from its checkpoint. Happens before the first use of each.</summary>
    Loading,

    /// <summary>The prompt is being encoded.</summary>
    EncodingText,

    /// <summary>Image to video: the start image is being encoded.</summary>
    EncodingImage,

    /// <summary>The latents are being denoised, step by step.</summary>
    Denoising,

    /// <summary>The latents are being decoded to frames, which are written as they come.</summary>
    Decoding,
}
