"""ROUGE and BERTScore of one field's text against the annotated one, both by torchmetrics.

rouge-score and bert-score, the packages that the numbers in papers mostly come from, have had no release since 2022 and
2023; torchmetrics is maintained, computes the same, and needs no download.
"""

import re
from collections.abc import Sequence
from typing import Protocol

from elmtex_batch.errors import ModelError
from elmtex_batch.modelfiles import check_model


class TextScorer(Protocol):
    """Compares texts. `names` are those of its scores."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def __call__(self, reference: str, prediction: str) -> dict[str, float]:
        """F measures by name, 0 to 1; neither text is empty."""
        ...


def field_text(values: Sequence[str]) -> str:
    """A field as the paper writes it: its values joined by "; "."""
    return "; ".join(values)


class Rouge:
    """ROUGE of unigrams, bigrams and the longest common subsequence (Lin 2004, aclanthology.org/W04-1013).

    Words are runs of Unicode letters and digits in lower case, without stemming: the usual tokenizer keeps a to z only,
    which tears "Fußödem" into "fu" and "dem". A single word has no bigram: its ROUGE-2 is 0, even if right.
    """

    names = ("rouge1", "rouge2", "rougeL")

    def __call__(self, reference: str, prediction: str) -> dict[str, float]:
        """See `TextScorer`."""
        from torchmetrics.functional.text.rouge import rouge_score

        scores = rouge_score(prediction, reference, normalizer=str.lower, tokenizer=_words, rouge_keys=self.names)
        return {name: float(scores[f"{name}_fmeasure"]) for name in self.names}


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


class BertScorer:
    """BERTScore F1 (Zhang et al., arXiv 1904.09675): greedy matching of contextual token embeddings, no idf weights.

    Texts beyond the model's length are cut; for fields of a report that is rare.
    """

    names = ("bertscore",)

    def __init__(self, model: str, layer: int | None = None) -> None:
        """Loads a name or a folder.

        Raises:
            ModelError: it is not there, not in safetensors, names code of its own, or has fewer layers.
        """
        from transformers import AutoModel, AutoTokenizer

        try:
            check_model(model)
            self._tokenizer = AutoTokenizer.from_pretrained(model)
            self._model = AutoModel.from_pretrained(model, use_safetensors=True).eval()
        except (OSError, ValueError):
            raise ModelError("the model for BERTScore cannot be loaded: name a hub id or a folder") from None
        if layer is not None and layer > self._model.config.num_hidden_layers:
            raise ModelError(f"the model for BERTScore has {self._model.config.num_hidden_layers} layers only")
        self._layer = layer
        self._length = min(512, self._model.config.max_position_embeddings)

    def __call__(self, reference: str, prediction: str) -> dict[str, float]:
        """See `TextScorer`. One pair at a time: torchmetrics 1.9 mixes up the pairs of a batch of several lengths."""
        import torch
        from torchmetrics.functional.text.bert import bert_score

        scores = bert_score(
            [prediction], [reference], model=self._model, user_tokenizer=self._tokenizer, num_layers=self._layer,
            max_length=self._length, truncation=True, device=self._model.device,
        )  # fmt: skip
        return {self.names[0]: float(torch.as_tensor(scores["f1"]))}
