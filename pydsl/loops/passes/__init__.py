"""Passes over the loop IR: each takes and gives a statement list, one pass a file."""
