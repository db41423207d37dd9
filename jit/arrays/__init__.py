"""Drop-in arrays, the home of `pydsl.numpy`: `namespace.find` and `namespace.names` are what it offers."""
