"""Recurrent networks: a stack of LSTM layers, and a decoder that picks the likeliest word at every step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pydsl import jit


def sigmoid(x: NDArray[np.float32]) -> NDArray[Any]:
    """`1 / (1 + exp(-x))`."""
    return 1 / (1 + np.exp(-x))


@jit
def lstm_stack(
    x: NDArray[np.float32], w: NDArray[np.float32], u: NDArray[np.float32], b: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Runs a sequence through layers of LSTM cells, each fed by the one below.

    `x` is `(T, B, H)` f32; `w` and `u` are `(L, H, 4 * H)` f32, the weights of the input and of the state;
    `b` is `(L, 4 * H)` f32. Gates come in the order input, forget, cell, output. Returns the outputs of the
    last layer `(T, B, H)` f32, and the hidden and cell states of all layers after the last step, `(L, B, H)`
    f32.
    """
    steps, batch, size = x.shape
    layers = w.shape[0]
    hidden = np.zeros((layers, batch, size), dtype=np.float32)
    cell = np.zeros((layers, batch, size), dtype=np.float32)
    out = np.empty((steps, batch, size), dtype=np.float32)
    for t in range(steps):
        below = x[t]
        for j in range(layers):
            gates = below @ w[j] + hidden[j] @ u[j] + b[j]
            enter = sigmoid(gates[:, :size])
            forget = sigmoid(gates[:, size : 2 * size])
            update = np.tanh(gates[:, 2 * size : 3 * size])
            leave = sigmoid(gates[:, 3 * size :])
            cell[j] = forget * cell[j] + enter * update
            hidden[j] = leave * np.tanh(cell[j])
            below = hidden[j]
        out[t] = below
    return out, hidden, cell


@jit
def seq2seq_greedy(
    state: NDArray[np.float32],
    embedding: NDArray[np.float32],
    w_x: NDArray[np.float32],
    w_h: NDArray[np.float32],
    b: NDArray[np.float32],
    w_out: NDArray[np.float32],
    b_out: NDArray[np.float32],
    start: int = 0,
    stop: int = 1,
    max_length: int = 50,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Decodes a sentence word by word: the likeliest word of a step is the input of the next.

    `state` is `(H,)` f32, what the encoder left, and is not written; `embedding` is `(V, E)` f32, `w_x` is
    `(E, 3 * H)`, `w_h` is `(H, 3 * H)`, `b` is `(3 * H,)`, `w_out` is `(H, V)` and `b_out` is `(V,)`, all
    f32. The cell is a GRU with the gates reset, update, candidate. Returns the words `(K,)` int64 without
    `stop`, at most `max_length`, and the last state `(H,)` f32.
    """
    size = state.shape[0]
    words = np.empty(max_length, dtype=np.int64)
    count = 0
    word = start
    state = state.copy()
    while count < max_length:
        from_input = embedding[word] @ w_x + b
        from_state = state @ w_h
        reset = sigmoid(from_input[:size] + from_state[:size])
        update = sigmoid(from_input[size : 2 * size] + from_state[size : 2 * size])
        candidate = np.tanh(from_input[2 * size :] + reset * from_state[2 * size :])
        state[:] = update * state + (1 - update) * candidate
        logits = state @ w_out + b_out
        word = int(np.argmax(logits))
        if word == stop:
            break
        words[count] = word
        count += 1
    return words[:count], state
