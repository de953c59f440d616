#!/usr/bin/env python3
"""
Golden cases of our own making: an independent, plain float64 form of the models (numpy alone) computes what the tests must
reproduce.

    write.py [CASE ...]     writes the cases (all, or those named) into ../TurboDiffusion.Tests/Golden/Data
    write.py --check FOLDER reproduces the cases of a folder, such as outputs of the official code, and prints every error

Needs Python 3.9 with numpy (Debian: python3-numpy), and Pillow (python3-pil) for the kind image_fit.
"""
import pathlib
import sys

import numpy as np

import attention
import case_file
import clip
import transformer
import vae
from quantization import block_int8

DATA = pathlib.Path(__file__).resolve().parent.parent / "TurboDiffusion.Tests" / "Golden" / "Data"


# What each kind computes: a case (mapping of "input::..." to arrays, with .config and .weights) to its "output::..." and "mid::...".

def dit(case):
    found, y = {}, case["input::y"] if "input::y" in case else None
    # Intermediate values of small cases only.
    observe = lambda name, value: found.__setitem__("mid::" + name, value) if value.size < 5000 else None
    found["output::v"] = transformer.forward(
        case.weights(), case.config, case["input::x"], case["input::t"].ravel(), case["input::context"], y, observe,
        case["input::image"] if "input::image" in case else None)
    return found


def sla(case):
    q, k, v = (case["input::" + n] for n in "qkv")
    options, cast = case.config, _cast(case, "input::q")
    blocks = options["block_q"], options["block_k"]
    kept = attention.kept_blocks(q, k, options["topk_ratio"], *blocks, cast)
    tensors = {"q": q, "k": k, "v": v, "proj_l.weight": case["input::proj_l.weight"], "proj_l.bias": case["input::proj_l.bias"]}

    def output(t):
        o = attention.sparse(t["q"], t["k"], t["v"], kept, *blocks)
        return o + attention.linear_branch(t["q"], t["k"], t["v"]) @ t["proj_l.weight"].T + t["proj_l.bias"]

    found = {"output::o": output(tensors), "output::block_map": _block_map(kept, k.shape[1], options["block_k"])}
    if q.size > 10_000:
        return found
    # Gradients by central differences, the choice of blocks held.
    for name, values in tensors.items():
        gradient, step = np.zeros(values.shape), 1e-5
        for i in np.ndindex(values.shape):
            up, down = (values.copy() for _ in range(2))
            up[i] += step
            down[i] -= step
            gradient[i] = ((output({**tensors, name: up}) - output({**tensors, name: down})) * case["input::grad_out"]).sum() / (2 * step)
        found["output::grad_" + name] = gradient
    return found


def sagesla(case):
    q, k, v = (case["input::" + n] for n in "qkv")
    options, cast = case.config, _cast(case, "input::q")
    blocks = options["block_q"], options["block_k"]
    kept = attention.kept_blocks(q, k, options["topk_ratio"], *blocks, cast)
    (q_int8, q_scale), (k_int8, k_scale) = attention.sage_quantize(q, k, *blocks, cast)
    projection = case["input::proj_l.weight"], case["input::proj_l.bias"]
    return {"mid::q_int8": q_int8, "mid::q_scale": q_scale, "mid::k_int8": k_int8, "mid::k_scale": k_scale,
            "output::block_map": _block_map(kept, k.shape[1], options["block_k"]),
            "output::o": attention.sparse_linear(q, k, v, projection, {**options, "sage": True}, cast)}


def vae_case(case):
    weights, video, latent = case.weights(), case["input::video"], case["input::latent"]
    return {"output::latent": vae.encode(weights, video), "output::latent_first_frame": vae.encode(weights, video[:, :, :1]),
            "output::video": vae.decode(weights, latent), "output::video_first_frame": vae.decode(weights, latent[:, :, :1])}


def clip_case(case):
    return {"output::tokens": clip.encode(case.weights(), case.config, case["input::images"])}


def image_fit(case):
    """Pillow's Lanczos, to the smallest size that covers the frame, and its middle."""
    from PIL import Image
    width, height = case.config["width"], case.config["height"]
    image = Image.fromarray(case["input::image"].transpose(1, 2, 0).astype(np.uint8))
    scale = max(width / image.width, height / image.height)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.LANCZOS)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    cut = np.asarray(image.crop((left, top, left + width, top + height)), np.float64)
    return {"output::image": cut.transpose(2, 0, 1) / 127.5 - 1}


def e2e_i2v(case):
    """An image, a text and noise to a video: high-noise expert down to the boundary, then the other; rCM's ODE steps."""
    config, image = case.config, case["input::image"]
    assert config["ode"]
    still = np.zeros((1, 3, config["frames"], *image.shape[2:]))
    still[:, :, 0] = image
    latents = vae.encode(case.weights("vae."), still)
    mask = np.zeros((1, 4, *latents.shape[2:]))
    mask[:, :, 0] = 1
    y = np.concatenate([mask, latents], 1)
    angles = [np.arctan(config["sigma_max"]), 1.5, 1.4, 1.0][:config["steps"]]
    times = [np.sin(a) / (np.cos(a) + np.sin(a)) for a in angles] + [0]
    x = case["input::noise"] * times[0]
    for t, following in zip(times, times[1:]):
        expert = "high." if t >= config["boundary"] else "low."
        x = x - (t - following) * transformer.forward(
            case.weights(expert), config["dit"], x, np.array([1000 * t]), case["input::embedding"], y)
    video = vae.decode(case.weights("vae."), x)
    return {"output::y": y, "output::latent": x, "output::video01": (np.clip(video, -1, 1) + 1) / 2}


KINDS = {"dit": dit, "sla": sla, "sagesla": sagesla, "vae": vae_case, "clip": clip_case, "image_fit": image_fit, "e2e_i2v": e2e_i2v}


def _cast(case, name):
    return case_file.bfloat16 if case.dtype(name) == "BF16" else lambda x: x


def _block_map(kept, tokens, key_block):
    result = np.zeros((*kept.shape[:3], -(-tokens // key_block)), np.int8)
    np.put_along_axis(result, kept, 1, -1)
    return result


# The cases. Weights and inputs are rounded to bfloat16, so that they can be stored as such; all that follows is float64.

class NewCase:
    def __init__(self, seed, config):
        self.config, self.tensors, self._random = config, {}, np.random.Generator(np.random.PCG64(seed))

    def __contains__(self, name):
        return name in self.tensors

    def __getitem__(self, name):
        return self.tensors[name]

    def dtype(self, name):
        return "F32"

    def weights(self, prefix=""):
        prefix = "weight::" + prefix
        return {name[len(prefix):]: value for name, value in self.tensors.items() if name.startswith(prefix)}

    def normal(self, name, *shape, scale=1.0, mean=0.0):
        self.tensors[name] = case_file.bfloat16(mean + scale * self._random.standard_normal(shape))

    def random_weights(self, prefix, shapes):
        """Weights of variance 1 / fan-in; gammas and norms near one; biases and modulations far enough from zero to be seen."""
        for name, shape in shapes.items():
            if name.endswith("gamma") or name.endswith("weight") and (".norm" in name or len(shape) == 1):
                self.normal(f"weight::{prefix}{name}", *shape, mean=1, scale=0.2)
            elif name.endswith("weight"):
                self.normal(f"weight::{prefix}{name}", *shape, scale=np.prod(shape[1:]) ** -0.5)
            else:
                self.normal(f"weight::{prefix}{name}", *shape, scale=0.3)

    def quantize_weights(self):
        for name in [n for n in self.tensors if n.startswith("weight::") and transformer.is_block_linear(n[8:])]:
            values, scales = block_int8(self.tensors.pop(name))
            self.tensors[name[:-6] + "int8_weight"], self.tensors[name[:-6] + "scale"] = values, scales


def dit_config(attention="original", quant=False, in_dim=16, layers=2, topk=None, dim=64, ffn_dim=96, image_dim=0, image_positions=0):
    return {"dim": dim, "eps": 1e-6, "ffn_dim": ffn_dim, "freq_dim": 32, "in_dim": in_dim, "num_heads": 2, "num_layers": layers,
            "out_dim": 16, "text_dim": 24, "attention": attention, "topk": topk, "quant": quant,
            **({"image_dim": image_dim, "image_positions": image_positions} if image_dim else {})}


def new_dit(seed, config, frames, height, width):
    case = NewCase(seed, config)
    case.random_weights("", transformer.shapes(config))
    if config["quant"]:
        case.quantize_weights()
    case.normal("input::x", 1, 16, frames, height, width)
    if config["in_dim"] > 16:
        case.normal("input::y", 1, config["in_dim"] - 16, frames, height, width)
    case.normal("input::context", 1, 7, config["text_dim"])
    if "image_dim" in config:
        case.normal("input::image", 1, config["image_positions"] or 5, config["image_dim"])
    case.tensors["input::t"] = np.array([[613.0]])
    return case


def new_attention(seed, config, tokens, heads, head_dim):
    case = NewCase(seed, config)
    for name in ("q", "k", "v", "grad_out"):
        case.normal("input::" + name, 1, tokens, heads, head_dim)
    case.tensors["input::k"] = case_file.bfloat16(case["input::k"] + 1.5)  # Away from a mean of zero, which is subtracted.
    case.normal("input::proj_l.weight", head_dim, head_dim, scale=head_dim**-0.5)
    case.normal("input::proj_l.bias", head_dim, scale=0.3)
    blocks = -(-tokens // config["block_k"])
    config["topk"] = max(1, int(config["topk_ratio"] * blocks))
    return case


def new_vae(seed, dim, frames, height, width):
    case = NewCase(seed, {"dim": dim, "z_dim": 16, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2, "temporal_downsample": [False, True, True]})
    case.random_weights("", vae.shapes(dim))
    case.normal("input::video", 1, 3, frames, height, width, scale=0.5)
    case.normal("input::latent", 1, 16, (frames - 1) // 4 + 1, height // 8, width // 8)
    return case


def new_clip(seed):
    config = {"dim": 24, "hidden_dim": 40, "num_heads": 3, "num_layers": 3, "patch_size": 4, "image_size": 16}
    case = NewCase(seed, config)
    case.random_weights("", clip.shapes(config))
    # No square, and both larger and smaller than the encoder's.
    case.normal("input::images", 2, 3, 20, 11, scale=0.5)
    return case


def new_image(seed, rows, columns, width, height):
    case = NewCase(seed, {"width": width, "height": height})
    # Edges, which a filter with negative lobes overshoots, and noise.
    pixels = case._random.integers(0, 256, (3, rows, columns))
    pixels[:, rows // 3:, columns // 4:] = np.array([250, 5, 128]).reshape(3, 1, 1)
    case.tensors["input::image"] = pixels.astype(np.float64)
    return case


def new_image_to_video(seed):
    dit_of = dit_config(in_dim=36, layers=1, dim=32, ffn_dim=48)
    case = NewCase(seed, {"dit": dit_of, "vae": {"dim": 2, "z_dim": 16}, "sigma_max": 200, "steps": 4, "ode": True, "boundary": 0.9,
                          "experts": ["high", "high", "low", "low"], "frames": 5, "height": 16, "width": 32})
    for expert in ("high.", "low."):
        case.random_weights(expert, transformer.shapes(dit_of))
    case.random_weights("vae.", vae.shapes(2))
    case.normal("input::image", 1, 3, 16, 32, scale=0.5)
    case.normal("input::noise", 1, 16, 2, 2, 4)
    case.normal("input::embedding", 1, 7, dit_of["text_dim"])
    return case


EXACT, SAME_ROUNDINGS = {"rtol": 1e-4, "atol": 1e-4}, {"rel_l2": 5e-3}

CASES = {
    "dit-small-dense": ("dit", EXACT, lambda: new_dit(1, dit_config(), 2, 6, 8)),
    "dit-small-i2v": ("dit", EXACT, lambda: new_dit(2, dit_config(in_dim=36, layers=1), 2, 6, 8)),
    # The image branch of Wan 2.1; of a first and a last frame, with int8 weights.
    "dit-small-i2v-clip": ("dit", EXACT, lambda: new_dit(9, dit_config(in_dim=36, layers=1, dim=32, ffn_dim=48, image_dim=20), 2, 6, 8)),
    "dit-small-flf2v-int8": ("dit", SAME_ROUNDINGS, lambda: new_dit(
        10, dit_config(in_dim=36, layers=1, dim=32, ffn_dim=48, image_dim=20, image_positions=6, quant=True), 2, 6, 8)),
    "clip-small": ("clip", EXACT, lambda: new_clip(11)),
    # Half a level for what lies between two of them.
    "image-lanczos-larger": ("image_fit", {"rtol": 0, "atol": 0.0079}, lambda: new_image(12, 21, 17, 64, 32)),
    "image-lanczos-smaller": ("image_fit", {"rtol": 0, "atol": 0.0079}, lambda: new_image(13, 96, 131, 32, 64)),
    # 3 * 9 * 13 = 351 tokens: the last block is partial in every format.
    "dit-small-sla": ("dit", {"rel_l2": 1e-4}, lambda: new_dit(3, dit_config("sla", topk=0.5), 3, 18, 26)),
    "dit-small-sagesla-int8": ("dit", SAME_ROUNDINGS, lambda: new_dit(4, dit_config("sagesla", quant=True, topk=0.7, layers=1, ffn_dim=160), 3, 18, 26)),
    "op-small-sla": ("sla", {"rel_l2": 1e-5, "grad_rel_l2": 1e-4},
                     lambda: new_attention(5, {"topk_ratio": 0.5, "block_q": 32, "block_k": 16}, 71, 2, 8)),
    "op-small-sagesla": ("sagesla", {"rel_l2": 1e-3, "quant_exact": True},
                         lambda: new_attention(6, {"topk_ratio": 0.5, "block_q": 32, "block_k": 64}, 300, 2, 16)),
    "vae-small": ("vae", EXACT, lambda: new_vae(7, 4, 9, 16, 24)),
    "e2e-small-i2v": ("e2e_i2v", {"rtol": 1e-3, "atol": 1e-3}, lambda: new_image_to_video(8)),
}


def write(names):
    for name in names:
        kind, tolerance, make = CASES[name]
        case = make()
        stored = {n: (v, "BF16") if _fits_bfloat16(n, v, kind) else v for n, v in case.tensors.items()}
        path = DATA / (name + ".safetensors")
        case_file.write(path, kind, case.config, tolerance, "computed by tests/goldens/write.py in float64", {**stored, **KINDS[kind](case)})
        print(f"{path.name}: {path.stat().st_size} bytes")


def _fits_bfloat16(name, value, kind):
    """Half the size; but an operator computes in the dtype of its inputs, and its cases are of float32."""
    return kind not in ("sla", "sagesla") and value.dtype == np.float64 and (case_file.bfloat16(value) == value).all()


def check(folder):
    """Relative L2 error of every output, and for elementwise tolerances the largest error as a share of what is allowed."""
    for path in sorted(pathlib.Path(folder).glob("*.safetensors")):
        case = case_file.CaseFile(path)
        if case.kind not in KINDS:
            print(f"{path.name}: {case.kind} is not computed here")
            continue
        computed = KINDS[case.kind](case)
        for name in case.names("output::") + case.names("mid::"):
            if name not in computed:
                print(f"{path.name} {name}: not computed here")
                continue
            expected, actual = case[name].astype(np.float64), computed[name].astype(np.float64).reshape(case[name].shape)
            line = f"relative L2 error {np.linalg.norm(actual - expected) / np.linalg.norm(expected):.2e}"
            if "rtol" in case.tolerance:
                allowed = case.tolerance["atol"] + case.tolerance["rtol"] * np.abs(expected)
                line += f", worst element at {(np.abs(actual - expected) / allowed).max():.3f} of its tolerance"
            print(f"{path.name} {name}: {line}; tolerance {case.tolerance}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--check"]:
        check(sys.argv[2])
    else:
        unknown = [name for name in sys.argv[1:] if name not in CASES]
        if unknown:
            sys.exit(f"no such case: {', '.join(unknown)}; the cases are {', '.join(CASES)}")
        write(sys.argv[1:] or CASES)
