"""Trains a LoRA adapter on annotated reports: `python jobs/train.py --name NAME --data TRAIN.jsonl --out FOLDER`.

The same as `elmtex-batch train`; settings beyond the command line come from a TOML file (`--config`).
"""

import sys

from elmtex_batch.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
