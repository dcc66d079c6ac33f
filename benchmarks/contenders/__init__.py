"""What `benchmarks/readers.py` measures, each in a process of its own."""
