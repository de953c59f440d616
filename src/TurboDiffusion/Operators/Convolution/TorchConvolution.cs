using TorchSharp;
using static TorchSharp.torch;

namespace TurboDiffusion.Operators.Convolution;

/// <summary>libtorch's convolution over two or three axes, around a fault of it.</summary>
internal static class TorchConvolution
{
    // Over numbers of channels that are no multiple of this (seen from 3 to 24), libtorch 2.10's convolution of several samples on
    // the CPU reads memory that nobody wrote, and now and then its result is NaN: forward it sums over the input's channels,
    // backward over the output's. Channels of zeros fill them up.
    private const int CpuChannels = 16;

    /// <summary>The convolution.</summary>
    /// <param name="input"><c>[N, C, …]</c> with two or three more axes.</param>
    /// <param name="weight"><c>[O, C, …]</c> with as many.</param>
    /// <param name="bias"><c>[O]</c>, or null.</param>
    /// <param name="stride">Of every further axis.</param>
    /// <param name="padding">Zeros on both sides of every further axis.</param>
    /// <returns><c>[N, O, …]</c></returns>
    public static Tensor Run(Tensor input, Tensor weight, Tensor? bias, long[] stride, long[] padding)
    {
        (long outChannels, long inChannels) = (weight.size(0), weight.size(1));
        bool fills = input.device_type == DeviceType.CPU && input.size(0) > 1;
        long moreIn = fills ? -inChannels & (CpuChannels - 1) : 0, moreOut = fills && (input.requires_grad || weight.requires_grad)
            ? -outChannels & (CpuChannels - 1)
            : 0;
        if (moreIn == 0 && moreOut == 0) return Convolve(input, weight, bias);
        using var scope = NewDisposeScope();
        long[] further = new long[2 * stride.Length];
        return Convolve(
            nn.functional.pad(input, [.. further, 0, moreIn]), nn.functional.pad(weight, [.. further, 0, moreIn, 0, moreOut]),
            bias is null ? null : nn.functional.pad(bias, [0, moreOut])).narrow(1, 0, outChannels).MoveToOuterDisposeScope();

        Tensor Convolve(Tensor x, Tensor w, Tensor? b) => stride.Length == 2
            ? nn.functional.conv2d(x, w, b, stride, padding)
            : nn.functional.conv3d(x, w, b, stride, padding);
    }
}
