"""Converts a folder of clinical reports to Parquet: `python jobs/convert.py INPUT... --out OUT [--config FILE.toml]`.

The same job as `elmtex-batch convert`, to be read top-down and changed.
"""

import argparse
import sys
from pathlib import Path

from elmtex_batch.errors import ElmtexError
from elmtex_batch.pipeline import convert
from elmtex_batch.progress import live_progress, print_summary
from elmtex_batch.settings import load_settings


def main() -> int:
    """Settings, then the conversion, then what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("inputs", nargs="+")
    parser.add_argument("--out", required=True)
    parser.add_argument("--config", type=Path)
    options = parser.parse_args()
    try:
        settings = load_settings(options.config)
        with live_progress() as progress:
            summary = convert(options.inputs, options.out, settings, progress)
    except ElmtexError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print_summary(summary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
