"""The runtime: guarded native entries, results, errors, code loading."""
