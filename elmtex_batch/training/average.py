"""The average of several adapters of one kind, which generalises better than each (model soups, arXiv 2203.05482)."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from elmtex_batch.adapters import CARD, read_card
from elmtex_batch.errors import ModelError

_SAME = ("reader", "schema_fingerprint", "tags", "answer_format", "prompt_version", "base_identity", "window_tokens")


def average_adapters(folders: Sequence[Path], out: Path, name: str, outside_bias: float) -> Path:
    """Writes the mean of all weights as a new adapter folder and returns it.

    The adapters should lie on one training's path (`start`): the average of unrelated LoRA matrices means nothing.

    Raises:
        ModelError: one is missing, or they are not of the same reader, schema, base and shape.
    """
    cards = [read_card(folder) for folder in folders]
    if any(getattr(card, field) != getattr(cards[0], field) for card in cards for field in _SAME):
        raise ModelError("only adapters for the same reader, schema, base and window can be averaged")
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(folders[0] / "adapter_config.json", out)
    for path in sorted(folders[0].glob("*.safetensors")):
        weights = [load_file(folder / path.name) for folder in folders]
        if any(w.keys() != weights[0].keys() or w[k].shape != weights[0][k].shape for w in weights for k in weights[0]):
            raise ModelError("the adapters have different shapes")
        mean = {k: torch.stack([w[k].float() for w in weights]).mean(0).to(torch.bfloat16) for k in weights[0]}
        save_file(mean, out / path.name)
    history = {"average_of": {f"{i} {card.name}": card.training for i, card in enumerate(cards, 1)}}
    card = cards[0].model_copy(update={"name": name, "outside_bias": outside_bias, "training": history})
    (out / CARD).write_text(json.dumps(card.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
    return out
