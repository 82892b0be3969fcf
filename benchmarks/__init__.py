"""Speed and quality beside the peers: ``python -m benchmarks`` from the checkout prints one table."""
