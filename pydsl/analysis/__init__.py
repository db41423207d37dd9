"""Analyses: what accesses share, and in which order they must stay. Nothing here changes a program."""
