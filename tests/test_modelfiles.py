"""Model folders that try to run something, or to be something else, are refused, and nothing of them is executed."""

import json
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from elmtex_batch.adapters import BUNDLED, CARD, HEAD
from elmtex_batch.errors import ModelError
from elmtex_batch.models import load_backbone, load_language_model, load_tokenizer, merge_adapter
from elmtex_batch.reader import load_reader
from elmtex_batch.schema import Schema
from elmtex_batch.settings import ModelSettings
from elmtex_batch.tagger import load_head

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
Damage = Callable[[Path], Any]


class Payload:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return Path.touch, (self.trace,)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """What is there once something was executed."""
    return tmp_path / "executed"


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    shutil.copytree(BUNDLED / "tagger", tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.fixture
def base(tmp_path: Path, tiny_base: str) -> Path:
    shutil.copytree(tiny_base, tmp_path / "base")
    return tmp_path / "base"


def put(folder: Path, name: str, **settings: Any) -> None:
    """Changes a JSON file; makes it, if it is missing."""
    path = folder / name
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(old | settings), encoding="utf-8")


def pickle_weights(folder: Path, name: str) -> None:
    """Only those; torch writes what it is given by pickle, in the archive that its loader expects."""
    for path in folder.glob("*model*.safetensors"):
        path.unlink()
    torch.save({"weight": Payload(folder.parent / "executed")}, folder / name)


def program(folder: Path, name: str) -> None:
    trace = str(folder.parent / "executed")
    (folder / name).write_text(f"open({trace!r}, 'w')\nclass Model: ...\nclass Config: ...\n", encoding="utf-8")


def remote_code(folder: Path, name: str, **classes: Any) -> None:
    """A program in the folder, and a configuration that names its classes."""
    program(folder, "m.py")
    put(folder, name, auto_map=classes)


def rename_weights(folder: Path, old: str, new: str) -> None:
    weights = load_file(folder / WEIGHTS)
    save_file({key.replace(old, new): tensor for key, tensor in weights.items()}, folder / WEIGHTS)


def link(folder: Path, name: str) -> None:
    (folder / name).rename(folder.parent / name)
    (folder / name).symlink_to(folder.parent / name)


def header(folder: Path, length: int) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", length) + content[8:])


ADAPTERS: dict[str, tuple[Damage, str]] = {
    "pickle instead": (lambda f: pickle_weights(f, "adapter_model.bin"), "holds adapter_model.bin"),
    "pickle beside": (lambda f: (f / "head.pkl").write_bytes(pickle.dumps(Payload(f.parent / "executed"))), "head.pkl"),
    "program": (lambda f: program(f, "modeling.py"), "holds modeling.py"),
    "chat template": (lambda f: (f / "chat_template.jinja").write_text("{{ 1 }}"), "holds chat_template.jinja"),
    "linked weights": (lambda f: link(f, WEIGHTS), f"holds {WEIGHTS}"),
    "linked card": (lambda f: link(f, CARD), f"holds {CARD}"),
    "other method": (lambda f: put(f, CONFIG, peft_type="PROMPT_TUNING"), "not plain LoRA: peft_type"),
    "imports": (
        lambda f: put(f, CONFIG, megatron_config={"x": 1}, megatron_core="antigravity"),
        "megatron_config, meg",
    ),
    "remote code": (lambda f: put(f, CONFIG, auto_map={"AutoModel": "modeling.Model"}), "not plain LoRA: auto_map"),
    "trusting": (lambda f: put(f, CONFIG, trust_remote_code=True), "not plain LoRA: trust_remote_code"),
    "other layers": (lambda f: put(f, CONFIG, target_modules=["embed_tokens"]), "target_modules"),
    "any layer": (lambda f: put(f, CONFIG, target_modules=".*"), "target_modules"),
    "whole layers": (lambda f: put(f, CONFIG, modules_to_save=["embed_tokens"]), "modules_to_save"),
    "huge rank": (lambda f: put(f, CONFIG, r=10**9), "not plain LoRA: r"),
    "other rank": (lambda f: put(f, CONFIG, r=8), "not those that its configuration names"),
    "list": (lambda f: (f / CONFIG).write_text("[]"), "a damaged one"),
    "large configuration": (lambda f: (f / CONFIG).write_text(" " * (2 << 20) + "{}"), "a damaged one"),
    "odd weights": (lambda f: rename_weights(f, "lora_A", "base"), "not those that its configuration names"),
    "truncated": (lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes()[:-1]), "or a damaged one"),
    "huge header": (lambda f: header(f, 1 << 62), "or a damaged one"),
    "short header": (lambda f: header(f, 9), "or a damaged one"),
    "upward base": (lambda f: put(f, CARD, base="../../"), r"name it in model\.base"),
    "fetched base": (lambda f: put(f, CARD, base="someone/model"), r"name it in model\.base"),
    "upward path": (lambda f: put(f, CARD, base="/tmp/../etc"), r"name it in model\.base"),
}


@pytest.mark.parametrize(("damage", "message"), ADAPTERS.values(), ids=ADAPTERS)
def test_a_hostile_adapter_is_refused(damage: Damage, message: str, adapter: Path, trace: Path, schema: Schema) -> None:
    damage(adapter)
    with pytest.raises(ModelError, match=message):
        load_reader(ModelSettings(adapter=str(adapter)), schema)
    assert not trace.exists()


def test_an_adapter_for_other_layers_is_refused(tmp_path: Path, tiny_base: str) -> None:
    """peft would leave the layers that it has nothing for as they are, with a warning."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=2, target_modules=["q_proj", "up_proj"])
    get_peft_model(load_backbone(tiny_base, torch.float32), config).save_pretrained(str(tmp_path))
    merge_adapter(load_backbone(tiny_base, torch.float32), tmp_path)
    rename_weights(tmp_path, "layers.1.", "layers.9.")
    with pytest.raises(ModelError, match="do not fit the base model"):
        merge_adapter(load_backbone(tiny_base, torch.float32), tmp_path)


@pytest.mark.parametrize("content", [b"\x08" + bytes(7) + b"{      }", b"", bytes(8), b"\xff" * 16])
def test_a_damaged_head_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / HEAD).write_bytes(content)
    with pytest.raises(ModelError, match="damaged or of another size"):
        load_head(torch.nn.Linear(8, 3), tmp_path)


BASES: dict[str, tuple[Damage, str]] = {
    "pickle instead": (lambda f: pickle_weights(f, "pytorch_model.bin"), "is damaged"),
    "remote code": (lambda f: remote_code(f, "config.json", AutoConfig="m.Config", AutoModel="m.Model"), "auto_map"),
    "remote tokenizer": (
        lambda f: remote_code(f, "tokenizer_config.json", AutoTokenizer=["m.Model", None]), "auto_map",
    ),
    "odd tokenizer": (lambda f: put(f, "tokenizer_config.json", tokenizer_class="RagTokenizer"), "has a RagTokenizer"),
    "other architecture": (lambda f: put(f, "config.json", model_type="lightglue"), "of type lightglue; supported"),
    "no architecture": (lambda f: put(f, "config.json", model_type=None), "of type None; supported"),
    "kernels": (lambda f: put(f, "config.json", _attn_implementation_internal="someone/kernels"), "kernels"),
    "packed": (lambda f: put(f, "config.json", quantization_config={"quant_method": "custom"}), "packed weights"),
    "hidden adapter": (lambda f: put(f, CONFIG, base_model_name_or_path="../../"), "an adapter in its folder"),
    "outside": (
        lambda f: put(f, "model.safetensors.index.json", weight_map={"a": "../b.safetensors"}), "outside of its folder",
    ),
    "no configuration": (lambda f: (f / "config.json").write_text("{"), "cannot load the base model"),
    "other sizes": (lambda f: put(f, "config.json", hidden_size=96), "is damaged"),
    "truncated": (
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-1]), "is damaged",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "message"), BASES.values(), ids=BASES)
def test_a_hostile_base_is_refused(damage: Damage, message: str, base: Path, trace: Path) -> None:
    damage(base)
    with pytest.raises(ModelError, match=message):
        load_language_model(str(base), torch.float32)
    assert not trace.exists()


def test_pickles_and_templates_beside_a_good_base_are_never_read(base: Path, trace: Path) -> None:
    """As published models have them: weights in several formats, and a chat template, here one that never ends."""
    torch.save({"weight": Payload(trace)}, base / "pytorch_model.bin")
    (base / "chat_template.jinja").write_text("{% for i in range(10**12) %}{{ i }}{% endfor %}")
    put(base, "tokenizer_config.json", chat_template="{{ raise_exception('run') }}")
    assert load_backbone(str(base), torch.float32).config.model_type == "llama"
    assert load_tokenizer(str(base))("A man.").input_ids
    assert not trace.exists()


def test_the_pickles_of_these_tests_do_run_where_they_are_trusted(tmp_path: Path, trace: Path) -> None:
    torch.save({"weight": Payload(trace)}, tmp_path / "weights.bin")
    torch.load(tmp_path / "weights.bin", weights_only=False)
    assert trace.exists()
