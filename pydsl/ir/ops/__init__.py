"""The operation records, by subject. Importing this package fills :data:`pydsl.ir.record.RECORDS`."""

from pydsl.ir.ops import call, compute, control, elementwise, memory

__all__ = ["call", "compute", "control", "elementwise", "memory"]
