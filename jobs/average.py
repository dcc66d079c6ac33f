"""Averages adapters of one path: `python jobs/average.py OUT NAME ADAPTER ADAPTER ... [--outside-bias 0.25]`."""

import argparse
from pathlib import Path

from elmtex_batch.training.average import average_adapters

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("name", help="of the new adapter, as the warehouse will record it")
    parser.add_argument("adapters", type=Path, nargs="+")
    parser.add_argument("--outside-bias", type=float, default=0.0, help="see elmtex_batch.tags.decode")
    options = parser.parse_args()
    print(average_adapters(options.adapters, options.out, options.name, options.outside_bias))
