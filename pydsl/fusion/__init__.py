"""From tensor IR to the operation DAG: statements, forwarding, dead writes, dependency edges and fusion groups."""
