namespace TurboDiffusion.Checkpoints;

/// <summary>Which part of a video model a checkpoint holds.</summary>
public enum ModelKind
{
    /// <summary>The diffusion transformer, or one of its two experts.</summary>
    Transformer,

    /// <summary>The video autoencoder.</summary>
    Vae,

    /// <summary>A tiny autoencoder in its place (TAEHV).</summary>
    TinyVae,

    /// <summary>The umT5 text encoder.</summary>
    TextEncoder,

    /// <summary>The CLIP image encoder of Wan 2.1 image to video.</summary>
    ImageEncoder,
}
