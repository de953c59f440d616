namespace TurboDiffusion.Models;

/// <summary>How an image is brought to the size of a model's frames, and which size follows an image: as its authors do it.</summary>
public enum ImageFit
{
    /// <summary>
    /// Bilinear with antialiasing, the image stretched to the size; a size that follows the image has each side rounded to the nearest
    /// multiple. thu-ml/TurboDiffusion, aaecff5, <c>wan2.2_i2v_infer.py</c>.
    /// </summary>
    Bilinear,

    /// <summary>
    /// Bicubic without antialiasing, the image stretched to the size; a size that follows the image has each side rounded down.
    /// Wan-Video/Wan2.1, <c>wan/image2video.py</c>, and Wan2.2's.
    /// </summary>
    Bicubic,

    /// <summary>
    /// Lanczos to the smallest size that covers the frame, whose middle is cut out: nothing is stretched. A size that follows the image is
    /// the one of at most that area which comes closest to its aspect ratio. Wan-Video/Wan2.2, 84b91a8, <c>wan/textimage2video.py</c>.
    /// </summary>
    LanczosCrop,
}
