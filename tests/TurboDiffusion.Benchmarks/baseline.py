#!/usr/bin/env python3
"""One denoising step of a Wan diffusion transformer in plain PyTorch, with random weights: the baseline of `turbodiffusion bench`.

    python3 baseline.py --preset wan2.1-t2v-1.3b --size 832x480 --frames 81

bfloat16, batch 1, dense attention by scaled_dot_product_attention (cuDNN, FlashAttention), eager and with torch.compile; norms,
modulation and rotations in float32, as in the published model. Times are medians by CUDA events. Every line of the standard output
is the result so far as JSON; everything else goes to the standard error.
"""
import argparse
import gc
import json
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

# dim, ffn_dim, heads, layers, in_dim
PRESETS = {
    "wan2.1-t2v-1.3b": (1536, 8960, 12, 30, 16),
    "wan2.1-t2v-14b": (5120, 13824, 40, 40, 16),
    "wan2.2-t2v-a14b": (5120, 13824, 40, 40, 16),
    "wan2.2-i2v-a14b": (5120, 13824, 40, 40, 36),
    "wan2.2-ti2v-5b": (3072, 14336, 24, 30, 48),
}
TEXT_DIM, TEXT_TOKENS, FREQUENCIES, EPS = 4096, 512, 256, 1e-6
WAN22_CHANNELS = 48  # of the latents of the Wan 2.2 VAE, which are half as fine
MOST_REPEATS = 11


def attend(q, k, v):
    """[B, L, H, D], [B, S, H, D] -> [B, L, H * D]"""
    return F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)).transpose(1, 2).flatten(2)


def rotate(x, cos, sin):
    """Turns the channel pairs of x [B, L, H, D] by angles [L, 1, D / 2]."""
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2).to(x.dtype)


def rotary_tables(frames, rows, columns, head_dim, device):
    spatial = head_dim // 6 * 2

    def angles(n, channels):
        rates = 10000.0 ** (-torch.arange(0, channels, 2, dtype=torch.float64, device=device) / channels)
        return torch.outer(torch.arange(n, dtype=torch.float64, device=device), rates)

    grid = torch.cat((
        angles(frames, head_dim - 2 * spatial)[:, None, None].expand(-1, rows, columns, -1),
        angles(rows, spatial)[None, :, None].expand(frames, -1, columns, -1),
        angles(columns, spatial)[None, None].expand(frames, rows, -1, -1)), -1).flatten(0, 2)[:, None]
    return grid.cos().float(), grid.sin().float()


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(dim, dim) for _ in range(4))
        self.norm_q, self.norm_k = nn.RMSNorm(dim, EPS), nn.RMSNorm(dim, EPS)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1))

    def forward(self, x, rotary):
        q, k = (rotate(self.split(y), *rotary) for y in (self.norm_q(self.q(x)), self.norm_k(self.k(x))))
        return self.o(attend(q, k, self.split(self.v(x))))

    def project(self, text):
        return self.split(self.norm_k(self.k(text))), self.split(self.v(text))

    def cross(self, x, keys, values):
        return self.o(attend(self.split(self.norm_q(self.q(x))), keys, values))


class Block(nn.Module):
    def __init__(self, dim, ffn_dim, heads):
        super().__init__()
        self.self_attn, self.cross_attn = Attention(dim, heads), Attention(dim, heads)
        self.norm3 = nn.LayerNorm(dim, EPS)
        self.ffn = nn.Sequential(nn.Linear(dim, ffn_dim), nn.GELU(approximate="tanh"), nn.Linear(ffn_dim, dim))
        self.modulation = nn.Parameter(torch.empty(1, 6, dim))

    def forward(self, x, modulation, keys, values, cos, sin):
        shift1, scale1, gate1, shift2, scale2, gate2 = (modulation + self.modulation.float()).chunk(6, 1)

        def modulate(y, scale, shift):
            return (F.layer_norm(y.float(), y.shape[-1:], eps=EPS) * (1 + scale) + shift).to(y.dtype)

        x = (x.float() + self.self_attn(modulate(x, scale1, shift1), (cos, sin)).float() * gate1).to(x.dtype)
        x = x + self.cross_attn.cross(self.norm3(x), keys, values)
        return (x.float() + self.ffn(modulate(x, scale2, shift2)).float() * gate2).to(x.dtype)


class Wan(nn.Module):
    def __init__(self, dim, ffn_dim, heads, layers, in_dim):
        super().__init__()
        self.patch_embedding = nn.Linear(in_dim * 4, dim)
        self.text_embedding = nn.Sequential(nn.Linear(TEXT_DIM, dim), nn.GELU(approximate="tanh"), nn.Linear(dim, dim))
        self.time_embedding = nn.Sequential(nn.Linear(FREQUENCIES, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.time_projection = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))
        self.blocks = nn.ModuleList(Block(dim, ffn_dim, heads) for _ in range(layers))
        self.out_dim = WAN22_CHANNELS if in_dim == WAN22_CHANNELS else 16
        self.head = nn.Linear(dim, self.out_dim * 4)
        self.head_modulation = nn.Parameter(torch.empty(1, 2, dim))

    def text(self, embedding):
        hidden = self.text_embedding(embedding)
        return [block.cross_attn.project(hidden) for block in self.blocks]

    def forward(self, latents, timestep, text, rotary):
        """Latents [1, C, T, H, W], timestep [1] -> [1, out, T, H, W]; the text's keys and values do not depend on the step."""
        b, c, t, h, w = latents.shape
        x = latents.reshape(b, c, t, h // 2, 2, w // 2, 2).permute(0, 2, 3, 5, 1, 4, 6).flatten(4).flatten(1, 3)
        x = self.patch_embedding(x.to(self.patch_embedding.weight.dtype))
        rates = 10000.0 ** (-torch.arange(FREQUENCIES // 2, device=x.device, dtype=torch.float64) / (FREQUENCIES // 2))
        angles = timestep.double()[:, None] * rates
        time_embedding = self.time_embedding(torch.cat((angles.cos(), angles.sin()), -1).to(x.dtype))
        modulation = self.time_projection(time_embedding).float().unflatten(1, (6, -1))
        for block, (keys, values) in zip(self.blocks, text):
            x = block(x, modulation, keys, values, *rotary)
        shift, scale = (time_embedding.float()[:, None] + self.head_modulation.float()).chunk(2, 1)
        x = self.head((F.layer_norm(x.float(), x.shape[-1:], eps=EPS) * (1 + scale) + shift).to(x.dtype))
        return x.reshape(b, t, h // 2, w // 2, self.out_dim, 2, 2).permute(0, 4, 1, 2, 5, 3, 6).reshape(b, self.out_dim, t, h, w)


def make(sizes, device):
    """The model with random weights, made on the GPU tensor by tensor."""
    with torch.device("meta"):
        model = Wan(*sizes)
    model = model.to(torch.bfloat16).to_empty(device=device).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
        elif parameter.dim() == 1:
            parameter.fill_(1)
        else:
            parameter.normal_(0, parameter.shape[-1] ** -0.5)
    return model


def times(step, count):
    """Milliseconds of each call."""
    events = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]
    events[0].record()
    for event in events[1:]:
        step()
        event.record()
    torch.cuda.synchronize()
    return [a.elapsed_time(b) for a, b in zip(events, events[1:])]


def median(step, patience):
    """Milliseconds of a step, and of how many it is the median; of a long one, the time of its one call."""
    once = times(step, 1)[0]
    repeats = int(min(max(patience * 1000 / once, 1), MOST_REPEATS))
    repeats -= 1 - repeats % 2
    return (sorted(times(step, repeats))[repeats // 2] if repeats > 1 else once), repeats


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=PRESETS, type=str.lower, default="wan2.1-t2v-1.3b")
    for name in ("dim", "ffn-dim", "heads", "layers", "in-dim"):
        parser.add_argument(f"--{name}", type=int, help="in place of the preset's")
    parser.add_argument("--size", default="832x480")
    parser.add_argument("--frames", type=int, default=81)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--patience", type=float, default=10, help="seconds that each variant is repeated")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="after this time no further row is begun")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out, which takes a minute")
    args = parser.parse_args()
    end = time.monotonic() + args.seconds

    given = (args.dim, args.ffn_dim, args.heads, args.layers, args.in_dim)
    sizes = tuple(p if g is None else g for p, g in zip(PRESETS[args.preset], given))
    dim, _, heads, layers, in_dim = sizes
    device = torch.device(args.device)
    torch.cuda.set_device(device)
    torch.manual_seed(0)
    width, height = (int(side) for side in args.size.lower().split("x"))
    cell = 32 if in_dim == WAN22_CHANNELS else 16
    frames, rows, columns = (args.frames - 1) // 4 + 1, height // cell, width // cell
    torch.set_grad_enabled(False)
    model = make(sizes, device)
    latents = torch.randn(1, in_dim, frames, rows * 2, columns * 2, device=device)
    timestep = torch.full((1,), 900.0, device=device)
    text = model.text(torch.randn(1, TEXT_TOKENS, TEXT_DIM, device=device, dtype=torch.bfloat16))
    rotary = rotary_tables(frames, rows, columns, dim // heads, device)

    def step(blocks=layers):
        model(latents, timestep, text[:blocks], rotary)

    results = []

    def measure(label, backend):
        print(f"{label} ...", file=sys.stderr, flush=True)
        gc.collect()
        torch.cuda.empty_cache()
        row = {"label": label, "ms": None, "repeats": 0, "peak_bytes": None, "failure": None}
        try:
            if time.monotonic() > end:
                raise TimeoutError(f"not measured, the {args.seconds:.0f} seconds were over")
            with sdpa_kernel(backend):
                step(blocks=2)  # what is done once: choosing kernels, compiling, growing the allocator's pool
                row["ms"], row["repeats"] = median(step, args.patience)
            free, total = torch.cuda.mem_get_info(device)
            row["peak_bytes"] = total - free
        except Exception as error:  # a backend or compiler that is missing here: the other rows are still worth having
            row["failure"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        print(row, file=sys.stderr, flush=True)
        results.append(row)
        print(json.dumps({
            "torch": torch.__version__, "device": torch.cuda.get_device_name(device), "tokens": frames * rows * columns,
            "dim": dim, "layers": layers, "rows": results,
        }), flush=True)

    measure("eager, cuDNN attention", SDPBackend.CUDNN_ATTENTION)
    measure("eager, FlashAttention", SDPBackend.FLASH_ATTENTION)
    if not args.no_compile:
        # Block by block: the blocks share one compiled program.
        for block in model.blocks:
            block.compile()
        cudnn, flash = (row["ms"] or float("inf") for row in results)
        if cudnn <= flash:
            measure("torch.compile, cuDNN attention", SDPBackend.CUDNN_ATTENTION)
        else:
            measure("torch.compile, FlashAttention", SDPBackend.FLASH_ATTENTION)


if __name__ == "__main__":
    main()
