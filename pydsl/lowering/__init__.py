"""From the tensor IR with its operation DAG to the loop IR."""
