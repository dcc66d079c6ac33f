"""The merged model as llama.cpp takes it: the base model's GGUF file, its adapted layers replaced and in 8 bits.

python benchmarks/contenders/quantise.py FOLDER
"""

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter
from gguf.quants import quantize
from safetensors import safe_open

from elmtex_batch.adapters import BUNDLED, read_card
from elmtex_batch.bases import EMBEDDED, assemble

_LAYERS = {
    **{f"attn_{kind}": f"self_attn.{kind}_proj" for kind in "qkv"},
    "attn_output": "self_attn.o_proj",
    **{f"ffn_{kind}": f"mlp.{kind}_proj" for kind in ("gate", "up", "down")},
}
"""Names of the layers that LoRA adapts: in GGUF, and in transformers."""


def main() -> None:
    """Writes FOLDER/llama/model.gguf, whole or not at all."""
    merged = Path(sys.argv[1])
    with tempfile.TemporaryDirectory(dir=merged) as scratch:
        source = Path(scratch) / "base.gguf"
        assemble(EMBEDDED[read_card(BUNDLED / "generator").base], source)
        target = Path(scratch) / "llama"
        target.mkdir()
        _write(GGUFReader(source), merged / "model.safetensors", target / "model.gguf")
        target.rename(merged / "llama")


def _write(base: Any, weights: Path, target: Path) -> None:
    writer = GGUFWriter(target, base.fields["general.architecture"].contents())
    for field in base.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            is_list = field.types[0] == GGUFValueType.ARRAY
            writer.add_key_value(field.name, field.contents(), field.types[0], field.types[-1] if is_list else None)
    with safe_open(weights, "pt") as merged:
        for tensor in base.tensors:
            data, kind = tensor.data, tensor.tensor_type
            if name := _adapted(tensor.name):
                kind = GGMLQuantizationType.Q8_0
                data = quantize(merged.get_tensor(name).float().numpy(), kind)
            writer.add_tensor(tensor.name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _adapted(name: str) -> str | None:
    """What transformers calls an adapted layer; None for other weights."""
    found = re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", name)
    layer = _LAYERS.get(found[2]) if found else None
    return f"model.layers.{found[1]}.{layer}.weight" if found and layer else None


if __name__ == "__main__":
    main()
