"""MTCNN, a cascade of three small networks that finds faces, written in plain NumPy.

`layers` are plain helpers, `networks` and `stages` are functions under `@jit`, `pipeline` puts them together,
`data` fetches the trained weights and the photograph, `drawing` draws the result.
"""
