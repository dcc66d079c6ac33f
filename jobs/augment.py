"""Makes noisy copies of annotated reports: `python jobs/augment.py --data TRAIN.jsonl --out NOISY.jsonl [--level 2]`.

The same as `elmtex-batch augment`. Train on both: `cat TRAIN.jsonl NOISY.jsonl > BOTH.jsonl`.
"""

import sys

from elmtex_batch.cli import main

if __name__ == "__main__":
    sys.exit(main(["augment", *sys.argv[1:]]))
