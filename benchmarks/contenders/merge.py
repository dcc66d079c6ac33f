"""The bundled generator merged into its base model, as a folder that any library loads.

python benchmarks/contenders/merge.py FOLDER
"""

import sys
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from elmtex_batch import models
from elmtex_batch.adapters import BUNDLED, read_card
from elmtex_batch.bases import resolve_base


def main() -> None:
    """Writes the folder, whole or not at all."""
    target = Path(sys.argv[1])
    base = read_card(BUNDLED / "generator").base
    model: Any = AutoModelForCausalLM.from_pretrained(resolve_base(base), dtype=torch.float32)
    model.model = models.merge_adapter(model.model, BUNDLED / "generator")
    hidden = target.with_name(f".{target.name}.part")
    model.to(torch.bfloat16).save_pretrained(hidden)
    models.load_tokenizer(base).save_pretrained(hidden)
    hidden.rename(target)


if __name__ == "__main__":
    main()
