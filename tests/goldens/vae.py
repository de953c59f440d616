"""The Wan 2.1 video autoencoder in float64, all frames at once. Weights by their official names."""
import numpy as np

from attention import softmax

MEAN = np.array([-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
                 0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921]).reshape(1, -1, 1, 1, 1)
DEVIATION = np.array([2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
                      3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160]).reshape(1, -1, 1, 1, 1)
MULTIPLES, BLOCKS, TEMPORAL = (1, 2, 4, 4), 2, (False, True, True)


def encode(weights, video):
    """Video [1, 3, 1 + 4n, H, W] in [-1, 1] to normalised latents [1, 16, 1 + n, H/8, W/8]: the mean of the posterior."""
    net = _Net(weights)
    x = net.conv("encoder.conv1", video)
    for i, kind in enumerate(_encoder_layers()):
        x = getattr(net, kind)(f"encoder.downsamples.{i}", x)
    x = net.head("encoder.head", net.middle("encoder.middle", x))
    return (net.conv("conv1", x)[:, :16] - MEAN) / DEVIATION


def decode(weights, latents):
    """The way back; not clamped."""
    net = _Net(weights)
    x = net.conv("decoder.conv1", net.conv("conv2", latents * DEVIATION + MEAN))
    x = net.middle("decoder.middle", x)
    for i, kind in enumerate(_decoder_layers()):
        x = getattr(net, kind)(f"decoder.upsamples.{i}", x)
    return net.head("decoder.head", x)


def _encoder_layers():
    layers = []
    for level in range(len(MULTIPLES)):
        layers += ["residual"] * BLOCKS
        if level < len(TEMPORAL):
            layers.append("down_time" if TEMPORAL[level] else "down")
    return layers


def _decoder_layers():
    layers = []
    for level in reversed(range(len(MULTIPLES))):
        layers += ["residual"] * (BLOCKS + 1)
        if level > 0:
            layers.append("up_time" if TEMPORAL[level - 1] else "up")
    return layers


class _Net:
    def __init__(self, weights):
        self.w = weights

    def conv(self, name, x, before=None, stride=1):
        """
        A causal convolution: zeros before the first frame (as many as the kernel reaches back, unless given), none after the
        last; rows and columns keep their number.
        """
        weight, bias = self.w[name + ".weight"], self.w[name + ".bias"]
        kt, kh, kw = weight.shape[2:]
        x = np.pad(x, [(0, 0), (0, 0), (kt - 1 if before is None else before, 0), (kh // 2, kh // 2), (kw // 2, kw // 2)])
        t, h, w = (x.shape[2] - kt) // stride + 1, x.shape[3] - kh + 1, x.shape[4] - kw + 1
        out = np.zeros((x.shape[0], weight.shape[0], t, h, w))
        for i in range(kt):
            for j in range(kh):
                for k in range(kw):
                    out += np.einsum("oc,bcthw->bothw", weight[:, :, i, j, k], x[:, :, i:i + stride * (t - 1) + 1:stride, j:j + h, k:k + w])
        return out + bias.reshape(1, -1, 1, 1, 1)

    def conv2d(self, name, x, padding, stride=1):
        """A convolution of every frame; padding: (rows, columns) of zeros (before, after)."""
        weight, bias = self.w[name + ".weight"], self.w[name + ".bias"]
        x = np.pad(x, [(0, 0), (0, 0), (0, 0), padding, padding])
        h, w = ((n - weight.shape[2]) // stride + 1 for n in x.shape[3:])
        out = np.zeros((x.shape[0], weight.shape[0], x.shape[2], h, w))
        for j in range(weight.shape[2]):
            for k in range(weight.shape[3]):
                rows, columns = (slice(a, a + stride * (n - 1) + 1, stride) for a, n in ((j, h), (k, w)))
                out += np.einsum("oc,bcthw->bothw", weight[:, :, j, k], x[:, :, :, rows, columns])
        return out + bias.reshape(1, -1, 1, 1, 1)

    def norm(self, name, x):
        length = np.maximum(np.sqrt((x**2).sum(1, keepdims=True)), 1e-12)
        return x / length * np.sqrt(x.shape[1]) * self.w[name + ".gamma"].reshape(1, -1, 1, 1, 1)

    def silu_conv(self, norm, conv, x):
        x = self.norm(norm, x)
        return self.conv(conv, x / (1 + np.exp(-x)))

    def residual(self, name, x):
        skip = self.conv(name + ".shortcut", x) if name + ".shortcut.weight" in self.w else x
        x = self.silu_conv(name + ".residual.0", name + ".residual.2", x)
        return skip + self.silu_conv(name + ".residual.3", name + ".residual.6", x)

    def middle(self, name, x):
        return self.residual(name + ".2", self.attention(name + ".1", self.residual(name + ".0", x)))

    def attention(self, name, x):
        """Among the pixels of each frame, one head."""
        b, c, t, h, w = x.shape
        qkv = self.conv2d(name + ".to_qkv", self.norm(name + ".norm", x), (0, 0))
        q, k, v = (part.transpose(0, 2, 3, 4, 1).reshape(b, t, h * w, c) for part in np.split(qkv, 3, 1))
        mixed = softmax(q @ k.transpose(0, 1, 3, 2) / np.sqrt(c)) @ v
        return x + self.conv2d(name + ".proj", mixed.reshape(b, t, h, w, c).transpose(0, 4, 1, 2, 3), (0, 0))

    def head(self, name, x):
        return self.silu_conv(name + ".0", name + ".2", x)

    def down(self, name, x):
        return self.conv2d(name + ".resample.1", x, (0, 1), stride=2)

    def down_time(self, name, x):
        """The first frame passes through time alone; the others come of three frames each, overlapping by one."""
        x = self.down(name, x)
        return x if x.shape[2] == 1 else np.concatenate([x[:, :, :1], self.conv(name + ".time_conv", x, before=0, stride=2)], 2)

    def up(self, name, x):
        return self.conv2d(name + ".resample.1", x.repeat(2, 3).repeat(2, 4), (1, 1))

    def up_time(self, name, x):
        """The first frame passes through alone and is not seen by the others, each of which becomes two."""
        if x.shape[2] > 1:
            later = self.conv(name + ".time_conv", x[:, :, 1:])
            b, c, t, h, w = later.shape
            doubled = later.reshape(b, 2, c // 2, t, h, w).transpose(0, 2, 3, 1, 4, 5).reshape(b, c // 2, 2 * t, h, w)
            x = np.concatenate([x[:, :, :1], doubled], 2)
        return self.up(name, x)


def shapes(dim):
    """Names and shapes of the weights."""
    result = {}

    def conv(name, inputs, outputs, *kernel):
        result[name + ".weight"], result[name + ".bias"] = (outputs, inputs, *kernel), (outputs,)

    def residual(name, inputs, outputs):
        result[name + ".residual.0.gamma"], result[name + ".residual.3.gamma"] = (inputs, 1, 1, 1), (outputs, 1, 1, 1)
        conv(name + ".residual.2", inputs, outputs, 3, 3, 3)
        conv(name + ".residual.6", outputs, outputs, 3, 3, 3)
        if inputs != outputs:
            conv(name + ".shortcut", inputs, outputs, 1, 1, 1)

    def middle(name, channels):
        residual(name + ".0", channels, channels)
        result[name + ".1.norm.gamma"] = (channels, 1, 1)
        conv(name + ".1.to_qkv", channels, 3 * channels, 1, 1)
        conv(name + ".1.proj", channels, channels, 1, 1)
        residual(name + ".2", channels, channels)

    def head(name, inputs, outputs):
        result[name + ".0.gamma"] = (inputs, 1, 1, 1)
        conv(name + ".2", inputs, outputs, 3, 3, 3)

    channels, index = dim, 0
    conv("encoder.conv1", 3, dim, 3, 3, 3)
    for i, kind in enumerate(_encoder_layers()):
        name = f"encoder.downsamples.{i}"
        if kind == "residual":
            residual(name, channels, dim * MULTIPLES[index // BLOCKS])
            channels, index = dim * MULTIPLES[index // BLOCKS], index + 1
        else:
            conv(name + ".resample.1", channels, channels, 3, 3)
            if kind == "down_time":
                conv(name + ".time_conv", channels, channels, 3, 1, 1)
    middle("encoder.middle", channels)
    head("encoder.head", channels, 32)
    conv("conv1", 32, 32, 1, 1, 1)
    conv("conv2", 16, 16, 1, 1, 1)
    conv("decoder.conv1", 16, channels, 3, 3, 3)
    middle("decoder.middle", channels)
    index = 0
    for i, kind in enumerate(_decoder_layers()):
        name, outputs = f"decoder.upsamples.{i}", dim * MULTIPLES[-1 - index // (BLOCKS + 1)] if kind == "residual" else channels // 2
        if kind == "residual":
            residual(name, channels, outputs)
            index += 1
        else:
            conv(name + ".resample.1", channels, outputs, 3, 3)
            if kind == "up_time":
                conv(name + ".time_conv", channels, 2 * channels, 3, 1, 1)
        channels = outputs
    head("decoder.head", channels, 3)
    return result
