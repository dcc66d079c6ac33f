"""Language models: a base model with its LoRA adapter, token ids in, hidden states out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from elmtex_batch.errors import ModelError
from elmtex_batch.modelfiles import check_adapter, check_model, checked_base


@dataclass(frozen=True, slots=True)
class Compute:
    """Where a model runs and the number format its matrix products take."""

    device: torch.device
    dtype: torch.dtype


def choose_compute(device: str) -> Compute:
    """The GPU where there is one; bf16 where the hardware multiplies it faster than fp32.

    Raises:
        ModelError: CUDA is asked for and not there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ModelError("no CUDA device is available; set model.device to cpu or auto")
    if device != "cpu" and torch.cuda.is_available():
        return Compute(torch.device("cuda"), torch.bfloat16)
    # Without instructions for it, bf16 on a CPU is emulated and slower than fp32.
    capabilities = torch.cpu.get_capabilities()
    fast = capabilities.get("amx_bf16", False) or capabilities.get("avx512_bf16", False)
    return Compute(torch.device("cpu"), torch.bfloat16 if fast else torch.float32)


def load_backbone(base: str, dtype: torch.dtype) -> Any:
    """The base model without its output head, as a `transformers` model in evaluation mode.

    Raises:
        ModelError: the model cannot be loaded, or its architecture is not one of `modelfiles.ARCHITECTURES`.
    """
    from transformers import AutoModel

    return _load(AutoModel, base, dtype)


class LanguageModel(nn.Module):
    """A backbone and its output head, apart from each other: LoRA goes into the one, the other scores chosen tokens.

    `head`: weights (vocabulary, width), the same tensor as the input embeddings where the model ties them.
    """

    def __init__(self, backbone: Any, head: nn.Parameter) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head


def load_language_model(base: str, dtype: torch.dtype) -> LanguageModel:
    """The base model with its output head, in evaluation mode.

    Raises:
        ModelError: as of `load_backbone`.
    """
    from transformers import AutoModelForCausalLM

    model = _load(AutoModelForCausalLM, base, dtype)
    return LanguageModel(model.model, model.lm_head.weight)


def _load(kind_of_model: Any, base: str, dtype: torch.dtype) -> Any:
    source = checked_base(base)
    with _loading(f"the base model {base} is damaged"):
        model = kind_of_model.from_pretrained(
            source, dtype=dtype, attn_implementation="sdpa", trust_remote_code=False, use_safetensors=True
        )
    return model.eval()


def load_encoder(name: str) -> tuple[Any, Any]:
    """Tokenizer and model of a sentence encoder, by folder or hub id; any architecture that transformers has.

    Raises:
        ModelError: it cannot be loaded.
    """
    from transformers import AutoModel, AutoTokenizer

    with _loading(f"cannot load the embedding model {name}; name a folder or a hub id"):
        check_model(name)
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        model = AutoModel.from_pretrained(name, trust_remote_code=False, use_safetensors=True)
    return tokenizer, model.eval()


def load_tokenizer(base: str) -> Any:
    """The base model's fast tokenizer, to which the names of special tokens (`<eos>`) are text like any other.

    Raises:
        ModelError: there is none.
    """
    from transformers import AutoTokenizer

    source = checked_base(base)
    with _loading(f"the tokenizer of the base model {base} is missing or damaged"):
        return AutoTokenizer.from_pretrained(source, use_fast=True, trust_remote_code=False, split_special_tokens=True)


def merge_adapter(backbone: Any, folder: Path) -> Any:
    """The backbone with the LoRA weights of `folder` added in, so that reading costs no extra products.

    Raises:
        ModelError: they do not fit.
    """
    from peft import PeftModel, get_peft_model_state_dict

    misfit = f"the weights of the adapter {folder.name} do not fit the base model"
    with _loading(misfit):
        names = check_adapter(folder)
        model = PeftModel.from_pretrained(backbone, str(folder))
        # peft leaves layers that it has no weights for as they are, and weights that no layer asks for out.
        if {*get_peft_model_state_dict(model, save_embedding_layers=False)} != names:
            raise ModelError(misfit)
        return model.merge_and_unload().eval()


@contextmanager
def _loading(failed: str) -> Iterator[None]:
    """Whatever the libraries make of a damaged model, it cannot be used."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(failed) from error


class FullAttention(nn.Module):
    """A decoder-only model read as an encoder: every token sees every other token of its text.

    The causal mask is replaced by one that hides padding only; LoRA training teaches the weights to use it (after
    LLM2Vec, arXiv 2404.05961). Layers with a sliding window keep its width, to both sides, as in EmbeddingGemma
    (arXiv 2509.20354): their rotary positions know no longer distances.
    """

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.backbone = backbone
        self.width: int = backbone.config.hidden_size

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Hidden states (batch, tokens, width) for right-padded `ids` (batch, tokens) with these true `lengths`."""
        return hidden_states(self.backbone, ids, lengths, causal=False)


def hidden_states(backbone: Any, ids: Tensor, lengths: Tensor, *, causal: bool) -> Tensor:
    """Hidden states (batch, tokens, width) for right-padded `ids`, under an explicit mask of booleans."""
    positions = torch.arange(ids.shape[1], device=ids.device)
    distances = positions[:, None] - positions
    seen = (positions < lengths[:, None])[:, None, None, :].expand(-1, 1, len(positions), -1)
    if causal:
        seen = seen & (distances >= 0)
    mask: Any = seen
    if window := sliding_window(backbone.config):
        near = distances.abs() < window
        # Padding may be out of everyone's sight; it sees itself, because a softmax over nothing is not a number.
        mask = {"full_attention": seen, "sliding_attention": (seen & near) | (distances == 0)}
    states: Tensor = backbone(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    return states


def sliding_window(config: Any) -> int | None:
    """How many tokens the local layers of a model see, to one side; None where all layers see all."""
    local = "sliding_attention" in (getattr(config, "layer_types", None) or ())
    return int(config.sliding_window) if local else None
