"""The Wan diffusion transformer in float64. Weights by their official names."""
import math

import numpy as np

import attention
from quantization import block_int8, multiply_int8

_erf = np.vectorize(math.erf)

SLA_BLOCKS = {"sla": (128, 64), "sagesla": (64, 128)}


def forward(weights, config, x, t, context, y=None, observe=lambda name, value: None, image=None):
    """
    The velocity [B, out, T, H, W] of latents x [B, in, T, H, W] at timesteps t [B] in [0, 1000]; y is concatenated to x. image: the
    image encoder's tokens [B, S, image_dim].
    """
    model = _Model(weights, config)
    x = x if y is None else np.concatenate([x, y], 1)
    b, c, frames, height, width = x.shape
    rows, columns = height // 2, width // 2
    # A patch is 1x2x2; its channels are the slowest axis, then rows, then columns.
    patches = x.reshape(b, c, frames, rows, 2, columns, 2).transpose(0, 2, 3, 5, 1, 4, 6).reshape(b, frames * rows * columns, c * 4)
    hidden = model.linear("patch_embedding", patches)
    observe("patch_embedding", hidden)
    text = model.linear("text_embedding.2", gelu(model.linear("text_embedding.0", context)))
    observe("text_embedding", text)
    if image is not None:
        image = model.embed_image(image)
        observe("img_emb", image)

    half = config["freq_dim"] // 2
    angles = np.outer(t, 10000.0 ** (-np.arange(half) / half))
    sinusoid = np.concatenate([np.cos(angles), np.sin(angles)], 1)
    time = model.linear("time_embedding.2", silu(model.linear("time_embedding.0", sinusoid)))
    observe("time_embedding", time)
    projected = model.linear("time_projection.1", silu(time))
    observe("time_projection", projected)

    rotations = rotary(config["dim"] // config["num_heads"], frames, rows, columns)
    for i in range(config["num_layers"]):
        hidden = model.block(i, hidden, projected.reshape(b, 6, -1), text, image, rotations, observe)
        observe(f"blocks.{i}", hidden)

    shift, scale = (weights["head.modulation"] + time[:, None]).transpose(1, 0, 2)[:, :, None]
    out = model.linear("head.head", normalize(hidden, config["eps"]) * (1 + scale) + shift)
    observe("head", out)
    # Here the channels are the fastest axis of a patch.
    channels = config["out_dim"]
    return out.reshape(b, frames, rows, columns, 2, 2, channels).transpose(0, 6, 1, 2, 4, 3, 5).reshape(b, channels, frames, height, width)


def rotary(head_dim, frames, rows, columns):
    """exp(i * angle) of every token and pair of channels, [L, D/2]: first those of the frame, then of the row, then of the column."""
    spatial = head_dim // 6 * 2
    sizes = [(frames, head_dim - 2 * spatial), (rows, spatial), (columns, spatial)]
    grid = np.meshgrid(*[np.arange(n) for n, _ in sizes], indexing="ij")
    angles = [np.outer(g.ravel(), 10000.0 ** (-np.arange(0, d, 2) / d)) for g, (_, d) in zip(grid, sizes)]
    return np.exp(1j * np.concatenate(angles, 1))


def rotate(x, rotations):
    """Interleaved pairs of channels of [B, L, H, D] as complex numbers times the rotations."""
    turned = (x[..., 0::2] + 1j * x[..., 1::2]) * rotations[None, :, None]
    return np.stack([turned.real, turned.imag], -1).reshape(x.shape)


def silu(x):
    return x / (1 + np.exp(-x))


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def normalize(x, eps):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)


class _Model:
    def __init__(self, weights, config):
        self.w, self.config = weights, config

    def linear(self, name, x):
        bias = self.w[name + ".bias"]
        if name + ".int8_weight" not in self.w:
            return x @ self.w[name + ".weight"].T + bias
        flat = multiply_int8(block_int8(x.reshape(-1, x.shape[-1])), (self.w[name + ".int8_weight"], self.w[name + ".scale"]))
        return flat.reshape(*x.shape[:-1], -1) + bias

    def rms(self, name, x):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + self.config["eps"]) * self.w[name + ".weight"]

    def heads(self, x):
        return x.reshape(*x.shape[:2], self.config["num_heads"], -1)

    def projections(self, name, x, other):
        """q of x, k and v of other; q and k normalised over their whole width before the heads are split."""
        return (self.heads(self.rms(f"{name}.norm_q", self.linear(f"{name}.q", x))),
                self.heads(self.rms(f"{name}.norm_k", self.linear(f"{name}.k", other))),
                self.heads(self.linear(f"{name}.v", other)))

    def block(self, i, x, time, text, image, rotations, observe):
        name, eps = f"blocks.{i}", self.config["eps"]
        shift1, scale1, gate1, shift2, scale2, gate2 = (self.w[name + ".modulation"] + time).transpose(1, 0, 2)[:, :, None]

        modulated = normalize(x, eps) * (1 + scale1) + shift1
        q, k, v = self.projections(name + ".self_attn", modulated, modulated)
        attended = self.self_attention(name + ".self_attn", rotate(q, rotations), rotate(k, rotations), v)
        attended = self.linear(name + ".self_attn.o", attended.reshape(x.shape))
        observe(name + ".self_attn", attended)
        x = x + gate1 * attended

        crossed = normalize(x, eps) * self.w[name + ".norm3.weight"] + self.w[name + ".norm3.bias"]
        q, k, v = self.projections(name + ".cross_attn", crossed, text)
        crossed = attention.dense(q, k, v)
        if image is not None:
            crossed = crossed + attention.dense(
                q, self.heads(self.rms(f"{name}.cross_attn.norm_k_img", self.linear(f"{name}.cross_attn.k_img", image))),
                self.heads(self.linear(f"{name}.cross_attn.v_img", image)))
        crossed = self.linear(name + ".cross_attn.o", crossed.reshape(x.shape))
        observe(name + ".cross_attn", crossed)
        x = x + crossed

        modulated = normalize(x, eps) * (1 + scale2) + shift2
        return x + gate2 * self.linear(name + ".ffn.2", gelu(self.linear(name + ".ffn.0", modulated)))

    def embed_image(self, tokens):
        """Norm, linear, exact GELU, linear, norm; the norms with PyTorch's own epsilon. Two images have learned positions."""
        def norm(i, x):
            return normalize(x, 1e-5) * self.w[f"img_emb.proj.{i}.weight"] + self.w[f"img_emb.proj.{i}.bias"]
        x = tokens + self.w["img_emb.emb_pos"] if "img_emb.emb_pos" in self.w else tokens
        x = self.linear("img_emb.proj.1", norm(0, x))
        return norm(4, self.linear("img_emb.proj.3", 0.5 * x * (1 + _erf(x / np.sqrt(2)))))

    def self_attention(self, name, q, k, v):
        kind = self.config["attention"] if "attention" in self.config else "original"
        if kind == "original":
            return attention.dense(q, k, v)
        block_q, block_k = SLA_BLOCKS[kind]
        projection = tuple(self.w[f"{name}.attn_op.local_attn.proj_l.{part}"] for part in ("weight", "bias"))
        options = {"topk_ratio": self.config["topk"], "block_q": block_q, "block_k": block_k, "sage": kind == "sagesla"}
        return attention.sparse_linear(q, k, v, projection, options)


def shapes(config):
    """Names and shapes of the float weights."""
    dim, ffn = config["dim"], config["ffn_dim"]
    def linear(name, inputs, outputs):
        return {name + ".weight": (outputs, inputs), name + ".bias": (outputs,)}
    result = {**linear("patch_embedding", config["in_dim"] * 4, dim),
              **linear("text_embedding.0", config["text_dim"], dim), **linear("text_embedding.2", dim, dim),
              **linear("time_embedding.0", config["freq_dim"], dim), **linear("time_embedding.2", dim, dim),
              **linear("time_projection.1", dim, 6 * dim)}
    image = config.get("image_dim", 0)
    if image:
        result |= {"img_emb.proj.0.weight": (image,), "img_emb.proj.0.bias": (image,), **linear("img_emb.proj.1", image, image),
                   **linear("img_emb.proj.3", image, dim), "img_emb.proj.4.weight": (dim,), "img_emb.proj.4.bias": (dim,)}
        if config["image_positions"]:
            result["img_emb.emb_pos"] = (1, config["image_positions"], image)
    for i in range(config["num_layers"]):
        name = f"blocks.{i}"
        result[name + ".modulation"] = (1, 6, dim)
        for part in ("self_attn", "cross_attn"):
            for layer in "qkvo":
                result |= linear(f"{name}.{part}.{layer}", dim, dim)
            result |= {f"{name}.{part}.norm_{x}.weight": (dim,) for x in "qk"}
        if image:
            result |= {**linear(name + ".cross_attn.k_img", dim, dim), **linear(name + ".cross_attn.v_img", dim, dim),
                       name + ".cross_attn.norm_k_img.weight": (dim,)}
        if config["attention"] != "original":
            head_dim = dim // config["num_heads"]
            result |= linear(name + ".self_attn.attn_op.local_attn.proj_l", head_dim, head_dim)
        result |= {name + ".norm3.weight": (dim,), name + ".norm3.bias": (dim,)}
        result |= {**linear(name + ".ffn.0", dim, ffn), **linear(name + ".ffn.2", ffn, dim)}
    return {**result, "head.modulation": (1, 2, dim), **linear("head.head", dim, config["out_dim"] * 4)}


def is_block_linear(name):
    """Whether a weight is of a linear layer that is stored in int8."""
    part = name.split(".")
    return part[0] == "blocks" and part[-1] == "weight" and (part[2] == "ffn" or part[2].endswith("_attn") and part[3] in ("q", "k", "v", "o", "k_img", "v_img"))
