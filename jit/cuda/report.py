"""What is known about a CUDA compilation: the CPU's record with kernels, launches and machine code of the device."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydsl import knobs
from pydsl.jit.cuda.emit import Emitted
from pydsl.jit.cuda.program import KernelImage
from pydsl.jit.cuda.ptx import ptx
from pydsl.jit.cuda.target import ARCHITECTURES
from pydsl.jit.cuda.tools import find_tool
from pydsl.jit.pipeline import Compilation
from pydsl.loops.gpu.plan import GpuPlan

if TYPE_CHECKING:
    from pydsl.report.explain import Explanation

STAGES = {
    "ptx": "PTX of the kernels, for the architecture of the knob `PYDSL_CUDA_ARCH`",
    "sass": "machine code of the kernels, where `ptxas` and a disassembler are installed",
    "launches": "the kernels with their launch configuration and the bytes that they move",
}


@dataclass
class CudaCompilation(Compilation):
    """A compilation for CUDA. ``llvm`` is the host code; ``emitted`` has the kernels, too."""

    gpu: GpuPlan = field(default_factory=GpuPlan)
    emitted: Emitted = field(default_factory=lambda: Emitted("", "", "", ()))

    def inspect(self, stage: str = "stages") -> str:
        """The text of one stage; those of the CPU, and `ptx`, `sass`, `launches`.

        Raises
        ------
        ValueError: there is no such stage, or no tool for it.
        """
        from pydsl.report.stages import Text, inspect  # noqa: PLC0415 - reports are loaded when asked for

        if stage == "stages":
            own = "".join(f"{name:<9}  {about}\n" for name, about in STAGES.items())
            return Text(inspect(self, stage) + own)
        if stage == "ptx":
            return Text(self.ptx())
        if stage == "sass":
            return Text(sass(self.ptx(), architecture()))
        if stage == "launches":
            return Text("".join(f"{line}\n" for line in self.launch_lines()))
        return inspect(self, stage)

    def explain(self) -> Explanation:
        """What was done, in words, with the launches."""
        found = super().explain()
        found.launches = list(self.launch_lines())
        found.loops = []  # what the CPU's schedule would say about threads
        return found

    def ptx(self) -> str:
        """PTX of the kernels."""
        return ptx(self.emitted.device, architecture())

    def launch_lines(self) -> Iterator[str]:
        """One line for each kernel."""
        for image, kernel in zip(self.emitted.kernels, self.gpu.kernels, strict=True):
            yield launch_line(image, kernel.form)


def architecture() -> str:
    """The architecture that the knob names, or the first of those that are supported."""
    return knobs.CUDA_ARCH.get() or ARCHITECTURES[0]


_FORMS = {
    "map": "a thread for each iteration",
    "block": "blocks of threads work together",
    "serial": "one thread",
}


def launch_line(image: KernelImage, form: str) -> str:
    """Name, grid and block, how the work is spread, bytes, the user's line."""
    grid = "a grid known at run time" if image.grid is None else f"{image.grid} blocks"
    parts = [f"{image.name}: {grid} of {image.block} threads, {_FORMS[form]}"]
    if image.shared:
        parts.append(f"{image.shared} bytes of shared memory")
    if image.bytes_moved is not None:
        parts.append(f"at most {image.bytes_moved} bytes moved")
    if image.loc is not None:
        parts.append(f"line {image.loc.line}")
    return ", ".join(parts)


def sass(text: str, arch: str) -> str:
    """Machine code of a PTX module.

    Raises
    ------
    ValueError: `ptxas` or a disassembler (`nvdisasm`, `cuobjdump`) is not installed.
    """
    assembler = find_tool("ptxas")
    tools = {"nvdisasm": ["-c"], "cuobjdump": ["-sass"]}
    disassembler = next((tool for name in tools if (tool := find_tool(name)) is not None), None)
    if assembler is None or disassembler is None:
        missing = "ptxas (pip install nvidia-cuda-nvcc)" if assembler is None else "nvdisasm or cuobjdump"
        raise ValueError(f"no machine code of the device: {missing} is not installed")
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder) / "kernels.ptx", Path(folder) / "kernels.cubin"
        source.write_text(text)
        run = subprocess.run(
            [assembler, f"-arch={arch}", source, "-o", binary], capture_output=True, text=True, check=False
        )
        if run.returncode:
            raise ValueError(f"ptxas failed: {run.stderr}")
        options = tools[disassembler.name]
        shown = subprocess.run([disassembler, *options, binary], capture_output=True, text=True, check=False)
    return shown.stdout
