"""Tests of the programs that are measured, and of the measuring."""
