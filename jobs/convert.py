"""Converts clinical reports to Parquet: `python jobs/convert.py --config jobs/nightly.toml [--set section.name=value]`.

The same job as `elmtex-batch convert`, to be read top-down and changed.
"""

import argparse
import os
import sys
from pathlib import Path

from elmtex_batch.errors import ElmtexError
from elmtex_batch.logs import say, show_log
from elmtex_batch.pipeline import convert
from elmtex_batch.progress import live_progress, print_summary
from elmtex_batch.runs import raise_if_held
from elmtex_batch.settings import destination, load_settings


def main() -> int:
    """Settings, then the conversion, then what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.NAME=VALUE")
    options = parser.parse_args()
    os.umask(0o077)  # what is written holds patient data
    show_log("text")
    try:
        settings = load_settings(options.config, assignments=options.set, environment=os.environ)
        show_log(settings.run.log)
        with live_progress(settings.run.log) as progress:
            summary = convert(settings.inputs, destination(settings), settings, progress)
        print_summary(summary, settings.run.log)
        raise_if_held(summary)
    except ElmtexError as error:
        say(str(error), {"exit_code": error.exit_code})
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
