"""What several test modules share: schemas, and a language model small enough to train in seconds."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from s3_server import s3_server

from elmtex_batch.models import load_tokenizer
from elmtex_batch.schema import Category, Schema, Title, load_schema

# A busy machine must not fail a property.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A Ray that a test has left ends before one that wants none, or one of its own."""
    if "ray" in sys.modules and "present_ray" not in getattr(item, "fixturenames", ()):
        sys.modules["ray"].shutdown()


@pytest.fixture
def present_ray() -> Iterator[None]:
    """A Ray that the process has already, as in a notebook; the next test that wants one gets the same."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_BACKEND_LOG_LEVEL", "fatal")
        if not ray.is_initialized():
            keeping_idle = {"num_workers_soft_limit": 16}
            ray.init("local", num_cpus=4, include_dashboard=False, log_to_driver=False, _system_config=keeping_idle)
        yield
    assert ray.is_initialized()


@pytest.fixture(scope="session")
def schema() -> Schema:
    return load_schema("elmtex")


@pytest.fixture(scope="session")
def s3_environment() -> Iterator[dict[str, str]]:
    with s3_server() as environment:
        yield environment


@pytest.fixture
def s3(s3_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A real S3 server; returns the environment variables that lead to it, which are set."""
    for name, value in s3_environment.items():
        monkeypatch.setenv(name, value)
    return s3_environment


@pytest.fixture(scope="session")
def wider(schema: Schema) -> Schema:
    """The next version of the schema, with a category more."""
    allergies = Category(key="allergies", title=Title(en="Allergies", de="Allergien"), description="Known allergies.")
    return Schema(name=schema.name, version=schema.version + 1, category=(*schema.category, allergies))


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A randomly initialised Llama with a byte-level tokenizer of its own, saved as any base model is."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("base")
    size = _save_tokenizer(folder, bos="<s>", eos="</s>")
    config = LlamaConfig(
        vocab_size=size, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=4096, tie_word_embeddings=True,
        initializer_range=0.2,
    )  # fmt: skip
    _save_model(folder, LlamaForCausalLM, config)
    return str(folder)


@pytest.fixture(scope="session")
def tiny_llama_3_2(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Llama 3.2 1B's configuration as Meta publishes it, in all but the sizes."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("llama")
    size = _save_tokenizer(folder, bos="<|begin_of_text|>", eos="<|eot_id|>")
    rope = {
        "rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
        "original_max_position_embeddings": 8192,
    }  # fmt: skip
    config = LlamaConfig(
        vocab_size=size, hidden_size=64, intermediate_size=256, num_hidden_layers=2, num_attention_heads=8, head_dim=16,
        num_key_value_heads=2, max_position_embeddings=131072, rope_parameters=rope, rms_norm_eps=1e-5,
        attention_bias=False, mlp_bias=False, hidden_act="silu", tie_word_embeddings=True, bos_token_id=0,
        eos_token_id=[1], pretraining_tp=1, initializer_range=0.2,
    )  # fmt: skip
    _save_model(folder, LlamaForCausalLM, config)
    return str(folder)


@pytest.fixture(scope="session")
def tiny_gemma(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Gemma 3's architecture with a window of eight tokens in its local layer."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    folder = tmp_path_factory.mktemp("gemma")
    config = Gemma3TextConfig(
        vocab_size=_save_tokenizer(folder, bos="<bos>", eos="<eos>"), hidden_size=64, intermediate_size=128,
        num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=1, head_dim=16, sliding_window=8,
        layer_types=["sliding_attention", "full_attention"], initializer_range=0.2,
    )  # fmt: skip
    _save_model(folder, Gemma3ForCausalLM, config)
    return str(folder)


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> str:
    return _random_model(tmp_path_factory.mktemp("llama"), "llama")


@pytest.fixture(scope="session")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> str:
    return _random_model(tmp_path_factory.mktemp("gemma"), "gemma")


def _random_model(folder: Path, kind: str) -> str:
    """A base model with random weights, large enough to make it write varied nonsense, and SmolLM2's tokenizer."""
    import torch
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM

    load_tokenizer("smollm2-135m").save_pretrained(folder)
    torch.manual_seed(1)
    common: dict[str, Any] = {
        "vocab_size": 49_152, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "initializer_range": 0.5,
        "max_position_embeddings": 2048, "pad_token_id": None, "eos_token_id": 2, "bos_token_id": 1,
    }  # fmt: skip
    if kind == "llama":
        LlamaForCausalLM(LlamaConfig(**common, tie_word_embeddings=True)).save_pretrained(folder)
    else:
        layers = ["sliding_attention", "full_attention"]
        config = Gemma3TextConfig(**common, sliding_window=7, layer_types=layers)
        Gemma3ForCausalLM(config).save_pretrained(folder)
    return str(folder)


def _save_tokenizer(folder: Path, bos: str, eos: str) -> int:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=[bos, eos], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([Path(__file__).read_text(encoding="utf-8")], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, 0)])
    wrapped = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, bos_token=bos, eos_token=eos
    )
    wrapped.save_pretrained(folder)
    return tokenizer.get_vocab_size()


def _save_model(folder: Path, kind: Any, config: Any) -> None:
    import torch

    torch.manual_seed(0)
    kind(config).save_pretrained(folder)
