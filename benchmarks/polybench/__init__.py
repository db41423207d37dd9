"""The thirty PolyBench kernels in NumPy: array style where the algorithm has one, loops where it is sequential.

Written from the mathematical definitions. Every function returns its result or writes it into an argument, and runs
unchanged with and without `@jit`. `python -m benchmarks.polybench` measures them.
"""
