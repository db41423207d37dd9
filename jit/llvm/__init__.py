"""The emitter from the loop IR to LLVM IR text, shared by the CPU and CUDA targets.

What differs between targets is data (`target.py`): vector width, the symbols of math functions and their vector forms,
the complex calling convention. Nothing here imports llvmlite: text in, text out.
"""
