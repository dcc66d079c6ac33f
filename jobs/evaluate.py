"""Scores models on annotated reports: `python jobs/evaluate.py --data DEV.jsonl --out FOLDER --run NAME=SPEC ...`.

The same as `elmtex-batch evaluate`; OUT/evaluation.html shows the texts of the reports.
"""

import sys

from elmtex_batch.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
