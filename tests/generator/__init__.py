"""Random NumPy programs, run as plain Python and by every stage of the compiler, and compared.

``python -m tests.generator --count 1000 --seed 0`` runs some; see ``--help``.
"""
