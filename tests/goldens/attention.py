"""Dense, sparse-linear and int8/fp8 sparse-linear attention, head by head and block by block, in float64."""
import numpy as np

from quantization import fp8, sage_int8


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def dense(q, k, v):
    """[B, L, H, D], [B, S, H, D], [B, S, H, D] to [B, L, H, D]."""
    scores = np.einsum("blhd,bshd->bhls", q, k) / np.sqrt(q.shape[-1])
    return np.einsum("bhls,bshd->blhd", softmax(scores), v)


def kept_blocks(q, k, ratio, query_block, key_block, cast=lambda x: x):
    """
    The key blocks that each query block keeps, [B, H, query blocks, kept], ascending: the highest of pooled q times pooled
    (k less its mean); of equal ones the earlier. cast rounds to the tensors' dtype.
    """
    centred = cast(k - cast(k.mean(1, keepdims=True)))
    pooled_q, pooled_k = (cast(np.stack([x[:, i:i + n].mean(1) for i in range(0, x.shape[1], n)], 2))
                          for x, n in ((q, query_block), (centred, key_block)))
    scores = cast(np.einsum("bhqd,bhkd->bhqk", pooled_q, pooled_k))
    count = max(1, int(ratio * scores.shape[-1]))
    return np.sort(np.argsort(-scores, -1, kind="stable")[..., :count], -1)


def linear_branch(q, k, v):
    """phi(q) (phi(k)^T v) / (1e-5 + phi(q) sum phi(k)), phi = softmax over the channels."""
    fq, fk = softmax(q), softmax(k)
    state = np.einsum("blhd,blhe->bhde", fk, v)
    normaliser = 1e-5 + np.einsum("blhd,bhd->blh", fq, fk.sum(1))
    return np.einsum("blhd,bhde->blhe", fq, state) / normaliser[..., None]


def sparse(q, k, v, kept, query_block, key_block):
    """Softmax attention over the kept blocks only."""
    return _over_blocks(q, kept, query_block, lambda b, h, rows, blocks: _exact(q[b, rows, h], k[b, :, h], v[b, :, h], blocks, key_block))


def _exact(q, k, v, blocks, key_block):
    tokens = np.concatenate([np.arange(j * key_block, min((j + 1) * key_block, len(k))) for j in blocks])
    return softmax(q @ k[tokens].T / np.sqrt(q.shape[-1])) @ v[tokens]


def sage_quantize(q, k, query_block, key_block, cast=lambda x: x):
    """int8 q and k less its mean, [B, H, L, D], and their scales [B, H, blocks]."""
    def quantize(x, block):
        values = np.zeros((x.shape[0], x.shape[2], x.shape[1], x.shape[3]), np.int8)
        scales = np.zeros((x.shape[0], x.shape[2], -(-x.shape[1] // block)))
        for b in range(x.shape[0]):
            for h in range(x.shape[2]):
                for i in range(scales.shape[2]):
                    at = np.s_[i * block:(i + 1) * block]
                    values[b, h, at], scales[b, h, i] = sage_int8(x[b, at, h])
        return values, scales
    return quantize(q, query_block), quantize(cast(k - cast(k.mean(1, keepdims=True))), key_block)


def sage(q, k, v, kept, query_block, key_block, cast=lambda x: x):
    """
    The same in int8 and fp8: block after block of keys, P = exp(score - highest so far) in fp8, rescaled as the highest rises,
    and divided by its own sum; v in fp8 with a scale per channel.
    """
    (qi, qs), (ki, ks) = sage_quantize(q, k, query_block, key_block, cast)
    v_scale = np.maximum(np.abs(v).max(1), 1e-12) / 448  # [B, H, D]
    v8 = fp8(v / v_scale[:, None])

    def rows_of(b, h, rows, blocks):
        highest, total, out = np.full((len(range(*rows.indices(q.shape[1]))), 1), -np.inf), 0, 0
        for j in blocks:
            at = np.s_[j * key_block:(j + 1) * key_block]
            sums = qi[b, h, rows].astype(np.int64) @ ki[b, h, at].astype(np.int64).T
            scores = sums * (qs[b, h, rows.start // query_block] / np.sqrt(q.shape[-1]) * ks[b, h, j])
            raised = np.maximum(highest, scores.max(-1, keepdims=True))
            p, rescale = fp8(np.exp(scores - raised)), np.exp(highest - raised)
            total, out, highest = total * rescale + p.sum(-1, keepdims=True), out * rescale + p @ v8[b, at, h], raised
        return out / total * v_scale[b, h]
    return _over_blocks(q, kept, query_block, rows_of)


def sparse_linear(q, k, v, projection, options, cast=lambda x: x):
    """The whole operator: the sparse branch (exact or in int8/fp8) plus the projected linear branch."""
    blocks = options["block_q"], options["block_k"]
    kept = kept_blocks(q, k, options["topk_ratio"], *blocks, cast)
    branch = sage(q, k, v, kept, *blocks, cast) if options["sage"] else sparse(q, k, v, kept, *blocks)
    weight, bias = projection
    return branch + linear_branch(q, k, v) @ weight.T + bias


def _over_blocks(q, kept, query_block, attend):
    out = np.zeros(q.shape)
    for b in range(q.shape[0]):
        for h in range(q.shape[2]):
            for i in range(kept.shape[2]):
                rows = slice(i * query_block, (i + 1) * query_block)
                out[b, rows, h] = attend(b, h, rows, kept[b, h, i])
    return out
