"""The frozen base model with fresh LoRA matrices, ready for training."""

import random
from pathlib import Path
from typing import Any

import torch

from elmtex_batch import adapters
from elmtex_batch.errors import ModelError
from elmtex_batch.models import Compute
from elmtex_batch.schema import Schema
from elmtex_batch.training.settings import TrainSettings
from elmtex_batch.training.speed import quicken


def with_lora(backbone: Any, settings: TrainSettings, schema: Schema, compute: Compute) -> Any:
    """Wraps the backbone by peft. The matrices are fp32, autocast multiplies in the base's format.

    They are drawn from the settings' seed, or are those of the adapter in `settings.start`.

    Raises:
        ModelError: that adapter does not fit.
    """
    from peft import LoraConfig, get_peft_model

    lora = settings.lora
    targets = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets)
    torch.manual_seed(settings.seed)
    model = get_peft_model(backbone, config).to(compute.device)
    if settings.start:
        _restore(model, start_folder(settings), settings, schema)
    if settings.compile and compute.device.type == "cpu":
        quicken(model)
    return model


def start_folder(settings: TrainSettings) -> Path:
    """The folder of the adapter to go on from."""
    return adapters.adapter_folder(str(settings.start), settings.reader)


def _restore(model: Any, folder: Path, settings: TrainSettings, schema: Schema) -> None:
    from peft import set_peft_model_state_dict
    from peft.utils import load_peft_weights

    adapters.check_fits(adapters.read_card(folder), schema, settings.base, settings.reader)
    try:
        result: Any = set_peft_model_state_dict(model, load_peft_weights(str(folder), device="cpu"))
    except RuntimeError:
        raise ModelError("the adapter to go on from has another rank than lora.rank") from None
    if result.unexpected_keys or any("lora_" in key for key in result.missing_keys):
        raise ModelError("the adapter to go on from adapts other layers than lora.targets names")


def window_limit(settings: TrainSettings, key: str, epoch: int) -> int:
    """How many tokens the windows of a report may have in an epoch."""
    share = random.Random(f"{settings.seed}/{epoch}/{key}").uniform(settings.least_window, 1)
    return round(share * settings.window_tokens)
