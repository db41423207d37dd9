"""Tests of the runtime, with kernels written by hand."""
