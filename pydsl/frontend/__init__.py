"""The front end: Python source to tensor IR, by partial evaluation."""
