"""Layers of networks on sequences: recurrent cells, attention with a cache, greedy decoding, position codes."""

from pydsl.kernels.sequence.attention import attn_kv_decode
from pydsl.kernels.sequence.position import sine_pos_embed
from pydsl.kernels.sequence.recurrent import lstm_stack, seq2seq_greedy

__all__ = ["attn_kv_decode", "lstm_stack", "seq2seq_greedy", "sine_pos_embed"]
