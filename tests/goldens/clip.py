"""The CLIP image encoder in float64. Weights by their official names, without `visual.`."""
import math

import numpy as np

import attention
from transformer import normalize

EPS = 1e-5
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

erf = np.vectorize(math.erf)


def gelu(x):
    """The exact one."""
    return 0.5 * x * (1 + erf(x / np.sqrt(2)))


def encode(weights, config, images):
    """Tokens [N, 1 + grid^2, dim] of images [N, 3, H, W] in [-1, 1]: the output of the last block but one."""
    size, patch, dim = config["image_size"], config["patch_size"], config["dim"]
    mean, deviation = (np.array(v).reshape(3, 1, 1) for v in (MEAN, DEVIATION))
    pixels = (bicubic(images, size) * 0.5 + 0.5 - mean) / deviation
    grid = size // patch
    patches = pixels.reshape(-1, 3, grid, patch, grid, patch).transpose(0, 2, 4, 1, 3, 5).reshape(len(images), grid * grid, -1)
    x = patches @ weights["patch_embedding.weight"].reshape(dim, -1).T
    x = np.concatenate([np.broadcast_to(weights["cls_embedding"], (len(x), 1, dim)), x], 1) + weights["pos_embedding"]
    x = norm(weights, "pre_norm", x)
    for i in range(config["num_layers"] - 1):
        name = f"transformer.{i}"
        qkv = linear(weights, name + ".attn.to_qkv", norm(weights, name + ".norm1", x))
        q, k, v = qkv.reshape(*x.shape[:2], 3, config["num_heads"], -1).transpose(2, 0, 1, 3, 4)
        x = x + linear(weights, name + ".attn.proj", attention.dense(q, k, v).reshape(x.shape))
        x = x + linear(weights, name + ".mlp.2", gelu(linear(weights, name + ".mlp.0", norm(weights, name + ".norm2", x))))
    return x


def norm(weights, name, x):
    return normalize(x, EPS) * weights[name + ".weight"] + weights[name + ".bias"]


def linear(weights, name, x):
    return x @ weights[name + ".weight"].T + weights[name + ".bias"]


def bicubic(images, size):
    """PyTorch's resize to a square: bicubic with a = -0.75, corners not aligned, no antialiasing, the border repeated."""
    return _along(_along(images, size, 2), size, 3)


def _along(x, size, axis):
    length = x.shape[axis]
    centre = (np.arange(size) + 0.5) * length / size - 0.5
    first = np.floor(centre).astype(int)
    result = 0
    for tap in range(-1, 3):
        weight = _kernel(centre - first - tap)
        values = np.take(x, np.clip(first + tap, 0, length - 1), axis)
        result = result + values * weight.reshape([-1 if a == axis else 1 for a in range(4)])
    return result


def _kernel(d, a=-0.75):
    d = np.abs(d)
    return np.where(d <= 1, (a + 2) * d**3 - (a + 3) * d**2 + 1, a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a)


def shapes(config):
    """Names and shapes of the weights."""
    dim, hidden, tokens = config["dim"], config["hidden_dim"], 1 + (config["image_size"] // config["patch_size"]) ** 2
    def both(name, *shape):
        return {name + ".weight": shape, name + ".bias": shape[:1]}
    result = {"patch_embedding.weight": (dim, 3, config["patch_size"], config["patch_size"]), "cls_embedding": (1, 1, dim),
              "pos_embedding": (1, tokens, dim), **both("pre_norm", dim)}
    for i in range(config["num_layers"]):
        name = f"transformer.{i}"
        result |= {**both(name + ".norm1", dim), **both(name + ".attn.to_qkv", 3 * dim, dim), **both(name + ".attn.proj", dim, dim),
                   **both(name + ".norm2", dim), **both(name + ".mlp.0", hidden, dim), **both(name + ".mlp.2", dim, hidden)}
    return result
