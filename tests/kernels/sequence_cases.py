"""ViewBench P15, P16 and the reserves R1 to R7 that work on sequences."""

from __future__ import annotations

import numpy as np

from pydsl.kernels import sequence
from tests.kernels.case import Args, Case, f32, unit
from tests.kernels.tolerance import EXACT, SCALED_TRANSCENDENTAL, matmul_bound

# P15


def build_lstm(rng: np.random.Generator, steps: int, batch: int, layers: int, size: int) -> Args:
    scale = max(size, 1) ** -0.5
    w, u = (f32(rng, layers, size, 4 * size, scale=scale) for _ in range(2))
    return f32(rng, steps, batch, size), w, u, f32(rng, layers, 4 * size)


def tied_weights(rng: np.random.Generator) -> Args:
    """One array serves as weights of the input and of the state, shifted by a layer; the sequence runs
    backwards over its own bias.
    """
    w = f32(rng, 4, 6, 24, scale=0.4)
    b = f32(rng, 9, 24)
    return b[::-1, None, ::4], w[:3], w[1:], b[2:5]


LSTM_STACK = Case(
    "P15",
    "lstm_stack",
    sequence.lstm_stack,
    build_lstm,
    {
        "small": {"steps": 8, "batch": 1, "layers": 3, "size": 16},
        "batch1": {"steps": 64, "batch": 1, "layers": 10, "size": 256},
        "batch4": {"steps": 64, "batch": 4, "layers": 10, "size": 256},
        "one": {"steps": 1, "batch": 1, "layers": 1, "size": 1},
        "empty": {"steps": 0, "batch": 1, "layers": 3, "size": 16},
        "empty_layers": {"steps": 2, "batch": 1, "layers": 0, "size": 5},
        "empty_batch": {"steps": 2, "batch": 0, "layers": 2, "size": 5},
    },
    tolerances=(matmul_bound(512),) * 3,
    overlaps={"tied": tied_weights},
    bad={"size": (ValueError, lambda rng: (f32(rng, 2, 1, 4), *build_lstm(rng, 2, 1, 2, 5)[1:]))},
)

# P16


def build_attention(rng: np.random.Generator, heads: int, steps: int, dim: int) -> Args:
    weights = (f32(rng, heads, dim, dim, scale=max(dim, 1) ** -0.5) for _ in range(4))
    cache = np.zeros((heads, steps, dim), dtype=np.float32)
    return (f32(rng, heads, 1, dim), cache, cache.copy(), *weights)


def shared_cache(rng: np.random.Generator) -> Args:
    """Keys and values interleave in one buffer, and the first input is the last key."""
    cache = f32(rng, 3, 14, 8)
    keys, values = cache[:, 0::2], cache[:, 1::2]
    w = f32(rng, 3, 8, 8, scale=0.3)
    return keys[:, -1:], keys, values, w, w[::-1], w.transpose(0, 2, 1), w


ATTN_KV_DECODE = Case(
    "P16",
    "attn_kv_decode",
    sequence.attn_kv_decode,
    build_attention,
    {
        "small": {"heads": 2, "steps": 8, "dim": 8},
        "batch1": {"heads": 12, "steps": 128, "dim": 64},
        "batch4": {"heads": 48, "steps": 128, "dim": 64},
        "one": {"heads": 1, "steps": 1, "dim": 1},
        "empty": {"heads": 2, "steps": 0, "dim": 8},
        "empty_heads": {"heads": 0, "steps": 3, "dim": 8},
    },
    # every step feeds the next one, so that differences in the last places travel through all of them
    tolerances=(matmul_bound(64),),
    writes=True,
    written=matmul_bound(64),
    overlaps={"cache": shared_cache},
    bad={"dim": (ValueError, lambda rng: (f32(rng, 2, 1, 7), *build_attention(rng, 2, 3, 8)[1:]))},
)

# seq2seq_greedy


def build_seq2seq(rng: np.random.Generator, n: int, size: int, words: int, embed: int, stop: int = 1) -> Args:
    scale = size**-0.5
    cell = (f32(rng, embed, 3 * size, scale=0.5), f32(rng, size, 3 * size, scale=scale), f32(rng, 3 * size))
    return f32(rng, size), f32(rng, words, embed), *cell, f32(rng, size, words), f32(rng, words), 0, stop, n


def embedding_is_output(rng: np.random.Generator) -> Args:
    """The same words on both sides, as tied embeddings have it; the state is one of them."""
    words = f32(rng, 30, 8)
    return words[3], words, f32(rng, 8, 24), f32(rng, 8, 24), f32(rng, 24), words.T, words[:, 1], 2, 29, 12


SEQ2SEQ_GREEDY = Case(
    "R2",
    "seq2seq_greedy",
    sequence.seq2seq_greedy,
    build_seq2seq,
    {
        "small": {"n": 10, "size": 16, "words": 40, "embed": 8},
        "batch1": {"n": 50, "size": 256, "words": 2000, "embed": 128, "stop": -1},
        "batch4": {"n": 200, "size": 256, "words": 2000, "embed": 128, "stop": -1},
        "one": {"n": 1, "size": 1, "words": 2, "embed": 1},
        "empty": {"n": 0, "size": 16, "words": 40, "embed": 8},
    },
    tolerances=(EXACT, matmul_bound(256)),
    overlaps={"tied": embedding_is_output},
    bad={"start": (IndexError, lambda rng: (*build_seq2seq(rng, 5, 4, 10, 3)[:7], 10))},
)

# sine_pos_embed


def build_padding(rng: np.random.Generator, b: int, h: int, w: int, feats: int = 128) -> Args:
    mask = np.zeros((b, h, w), dtype=np.bool_)
    for picture in mask[1:]:
        picture[rng.integers(h // 2, h + 1) :] = True
        picture[:, rng.integers(w // 2, w + 1) :] = True
    return mask, feats


SINE_POS_EMBED = Case(
    "R3",
    "sine_pos_embed",
    sequence.sine_pos_embed,
    build_padding,
    {
        "small": {"b": 2, "h": 5, "w": 7, "feats": 8},
        "batch1": {"b": 1, "h": 25, "w": 34},
        "batch4": {"b": 4, "h": 25, "w": 34},
        "odd": {"b": 2, "h": 3, "w": 2, "feats": 5},
        "one": {"b": 1, "h": 1, "w": 1, "feats": 2},
        "empty": {"b": 0, "h": 5, "w": 7},
        "empty_rows": {"b": 2, "h": 0, "w": 7, "feats": 4},
    },
    tolerances=(SCALED_TRANSCENDENTAL,),
    overlaps={"padding": lambda rng: (build_padding(rng, 3, 6, 9)[0][::-1, :, ::2], 6, 20)},
    bad={"flat": (ValueError, lambda rng: (unit(rng, 4, 5) < 0.5, 8))},
)
