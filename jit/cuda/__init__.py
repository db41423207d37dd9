"""The CUDA target: kernels from loop IR, the host code that launches them, and a simulator of both.

What a compilation gives and how it is run is the contract in `program.py`.
"""
