"""Seeing what the compiler does: `explain`, `graph`, `inspect`, and what the knobs LOG and DUMP write.

Everything here is made on demand from the record that the pipeline keeps of a compilation
(:class:`pydsl.report.record.Compilation`); nothing here runs when nobody asks.
"""
