"""Programs that show what the compiler does."""
