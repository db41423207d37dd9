"""The CPU backend: this host as a target, its passes, its math library, its threads, its GEMM."""
