"""Clinical reports in, Parquet with structured, grounded clinical information out."""

__version__ = "0.1.0"
