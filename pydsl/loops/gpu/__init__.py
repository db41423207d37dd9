"""Loop IR for a GPU: what runs on the host, what becomes kernels, and which iteration runs on which thread.

cut      statements that touch arrays become pieces, control flow around them stays on the host     pieces.py
move     scalars that only kernels need stay on the device, the others are fetched together         scalars.py
build    each piece becomes a loop over blocks of threads                                           kernels.py
"""
