"""The passes that turn emitted LLVM IR into what is compiled."""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm


def optimize(module: Any, machine: Any) -> None:
    """Run the pipeline over a parsed module, in place."""
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    options.loop_interleaving = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
