"""What a model folder must be before anything in it is loaded: weights in safetensors, and settings that name no code.

The libraries that load models fall back to pickled weights where there are no others, follow a configuration to other
folders and to the hub, and import what it names. Whoever hands out a model would decide what runs here.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from elmtex_batch.bases import EMBEDDED, resolve_base
from elmtex_batch.errors import ModelError

ARCHITECTURES = frozenset({"llama", "gemma3_text"})
"""Model types (`config.json`) that were tried with the full attention mask and with LoRA."""
_ADAPTER_CONFIG, _ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_TARGETS = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
"""The linear layers of the supported architectures."""
_LORA_KEY = re.compile(rf"base_model\.model\.(model\.)?layers\.\d+\.\w+\.({'|'.join(_TARGETS)})\.lora_[AB]\.weight")
_MOST_RANK = 1_024
_MOST_JSON = 1 << 20
_CODE = {".bin", ".ckpt", ".jinja", ".pickle", ".pkl", ".pt", ".pth", ".py", ".so"}
"""Endings of files that are programs, or that may turn into one when they are read. An adapter needs none of them."""
_LORA_FIXED = {"bias": "none", "init_lora_weights": True, "megatron_core": "megatron.core", "qalora_group_size": 16}
_LORA_FREE = {
    "auto_mapping", "base_model_name_or_path", "inference_mode", "lora_alpha", "lora_dropout", "peft_type",
    "peft_version", "r", "target_modules",
}  # fmt: skip
"""What plain LoRA has in its configuration; neither the base's name nor `auto_mapping` is acted upon. All else that
peft knows must be as if it were not there."""
_TOKENIZERS = {"PreTrainedTokenizer", "TokenizersBackend", "LlamaTokenizer", "GemmaTokenizer", "GPT2Tokenizer"}

Config = dict[str, Any]


def check_adapter(folder: Path) -> frozenset[str]:
    """Refuses an adapter folder that is anything but LoRA for known layers, in safetensors; returns the weights' names.

    Raises:
        ModelError: says what is wrong with it.
    """
    if odd := [path.name for path in folder.iterdir() if path.is_symlink() or path.suffix.lower() in _CODE]:
        raise ModelError(f"the adapter {folder.name} holds {odd[0]}; no adapter needs a link, a pickle or a program")
    try:
        config = _read_config(folder / _ADAPTER_CONFIG)
    except (OSError, ValueError):
        raise ModelError(f"the adapter {folder.name} has no {_ADAPTER_CONFIG}, or a damaged one") from None
    if odd := list(_beyond_lora(config)):
        raise ModelError(f"{_ADAPTER_CONFIG} of the adapter {folder.name} is not plain LoRA: {', '.join(odd)}")
    return _check_weights(folder / _ADAPTER_WEIGHTS, config["r"])


def _beyond_lora(config: Config) -> Iterator[str]:
    rank, targets = config.get("r"), config.get("target_modules")
    if not isinstance(rank, int) or not 0 < rank <= _MOST_RANK:
        yield "r"
    # Layers by kind, or one by one with their whole names; a pattern might take for ever to match.
    if not isinstance(targets, list) or not {str(target).rpartition(".")[2] for target in targets} <= _TARGETS:
        yield "target_modules"
    if config.get("peft_type") != "LORA":
        yield "peft_type"
    others = {name: value for name, value in config.items() if value and name not in _LORA_FREE}
    yield from (name for name, value in others.items() if value != _LORA_FIXED.get(name))


def _check_weights(path: Path, rank: int) -> frozenset[str]:
    try:
        with safe_open(path, "np") as file:
            shapes = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError):
        raise ModelError(f"the adapter {path.parent.name} has no {path.name}, or a damaged one") from None
    if not all(_LORA_KEY.fullmatch(key) and rank in shape for key, shape in shapes.items()):
        raise ModelError(f"the weights of the adapter {path.parent.name} are not those that its configuration names")
    return frozenset(shapes)


def checked_base(name: str) -> str:
    """What transformers can load: an embedded base, or another that passes `check_model`.

    Raises:
        ModelError: there is none of this name, or it is refused; says why.
    """
    source = resolve_base(name)
    if name not in EMBEDDED:
        try:
            check_model(source, ARCHITECTURES)
        except (OSError, ValueError) as error:
            known = ", ".join(EMBEDDED)
            raise ModelError(
                f"cannot load the base model {name}; embedded are {known}, others are named by folder or hub id"
            ) from error
    return source


def check_model(source: str, architectures: frozenset[str] | None = None) -> None:
    """Refuses a model, by folder or hub id, that names code of its own, or files of others.

    `architectures`: the model types to accept, with their tokenizers; None accepts all that transformers has.

    Raises:
        ModelError: says what is wrong with it.
        OSError: there is none.
        ValueError: its configuration is damaged.
    """
    config = _config_of(source, "config.json")
    tokenizer = _config_of(source, "tokenizer_config.json")
    if architectures:
        _check_kind(config, tokenizer, architectures)
    if "auto_map" in config or "auto_map" in tokenizer:
        raise ModelError("the model brings code of its own (auto_map), which is never run; use one without")
    if config.get("quantization_config") or any(map(_names_code, config.items())):
        raise ModelError("config.json of the model asks for packed weights, or for kernels; use one without")
    if _config_of(source, _ADAPTER_CONFIG):
        raise ModelError("the model has an adapter in its folder; use the model as it was published")
    weights = _config_of(source, "model.safetensors.index.json").get("weight_map", {})
    if any(Path(file).name != file for file in weights.values()):
        raise ModelError("the model names weights outside of its folder")


def _check_kind(config: Config, tokenizer: Config, architectures: frozenset[str]) -> None:
    kind, tokenizer_kind = config.get("model_type"), tokenizer.get("tokenizer_class")
    if kind not in architectures:
        raise ModelError(f"the base model is of type {kind}; supported: {', '.join(sorted(architectures))}")
    if tokenizer_kind and str(tokenizer_kind).removesuffix("Fast") not in _TOKENIZERS:
        raise ModelError(f"the base model has a {tokenizer_kind}; supported: {', '.join(sorted(_TOKENIZERS))}")


def _names_code(setting: tuple[str, Any]) -> bool:
    """Whether it chooses an implementation from the hub."""
    name, value = setting
    return "implementation" in name and "/" in str(value)


def _config_of(source: str, name: str) -> Config:
    """A JSON file of a model by folder or hub id, empty if there is none; only `config.json` must be there."""
    path = Path(source, name)
    if not Path(source).is_dir():
        from transformers.utils.hub import cached_file

        needed = name == "config.json"
        found = cached_file(source, name, _raise_exceptions_for_missing_entries=needed)
        path = Path(found) if found else path
    return _read_config(path) if name == "config.json" or path.exists() else {}


def _read_config(path: Path) -> Config:
    if path.stat().st_size > _MOST_JSON and not path.name.endswith(".index.json"):
        raise ValueError("too large")
    config = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        raise ValueError("no object")
    return config
