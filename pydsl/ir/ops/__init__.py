"""The operation records, by subject. Importing this package fills :data:`pydsl.ir.record.RECORDS`."""

from pydsl.ir.ops import compute, control, elementwise, memory

__all__ = ["compute", "control", "elementwise", "memory"]
