"""`python -m benchmarks` runs ViewBench."""

from __future__ import annotations

import sys

from benchmarks import viewbench

sys.exit(viewbench.main())
