"""The tensor IR: types, operations, text form, verifier and reference interpreter."""
