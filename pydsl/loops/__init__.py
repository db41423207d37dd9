"""The loop IR, and everything that reads or rewrites it without knowing a backend."""
