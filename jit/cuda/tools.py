"""CUDA's own tools and files, where they are installed: on the PATH or in the NVIDIA wheels."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path


def package_file(name: str) -> Path | None:
    """A file of the NVIDIA wheels (`nvidia-nvvm`, `nvidia-cuda-nvcc`), wherever this version of them keeps it."""
    spec = importlib.util.find_spec("nvidia")
    for folder in spec.submodule_search_locations or () if spec is not None else ():
        for found in sorted(Path(folder).glob(f"**/{name}")):
            return found
    return None


def find_tool(name: str) -> Path | None:
    """An executable: `ptxas`, `nvdisasm`, `cuobjdump`."""
    found = shutil.which(name)
    return Path(found) if found else package_file(name)
