"""The annotated reports most like a text, as examples for the advanced prompt."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from elmtex_batch.training.data import Report

_BATCH = 16


class Likeness(Protocol):
    """Texts as unit vectors, (texts, dimensions): their inner product is their likeness. Dense, or SciPy's sparse."""

    def __call__(self, texts: Sequence[str]) -> Any: ...


class Retriever:
    """Finds the nearest of some reports."""

    def __init__(self, reports: Sequence[Report], likeness: Likeness) -> None:
        self._reports = list(reports)
        self._likeness = likeness
        self._vectors = likeness([report.text for report in self._reports])
        self._texts = [_collapsed(report.text) for report in self._reports]

    def nearest(self, text: str, count: int) -> list[Report]:
        """The `count` reports most like the text, nearest first; never the report that the text is, or is a part of."""
        product = self._vectors @ self._likeness([text]).T
        scores: NDArray[np.float64] = np.asarray(product.todense() if hasattr(product, "todense") else product).ravel()
        own = _collapsed(text)
        order = (int(i) for i in np.argsort(-scores, kind="stable"))
        others = [i for i in order if own not in self._texts[i] and self._texts[i] not in own]
        return [self._reports[i] for i in others[:count]]


def words_in_common(texts: Sequence[str]) -> Likeness:
    """TF-IDF (Salton & Buckley 1988, logarithmic term counts), with the document frequencies of these texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(sublinear_tf=True, norm="l2").fit(texts)
    return lambda wanted: vectorizer.transform(wanted)


def sentence_embedding(model: str, device: Any) -> Likeness:
    """Mean of a language model's last hidden states (arXiv 1908.10084), over as much of a text as the model takes.

    Raises:
        ModelError: the model cannot be loaded.
    """
    import torch

    from elmtex_batch.models import load_encoder

    tokenizer, encoder = load_encoder(model)
    encoder = encoder.to(device)
    # Architectures like RoBERTa's number their positions from 2 on.
    longest = min(tokenizer.model_max_length, encoder.config.max_position_embeddings - 2)

    @torch.inference_mode()
    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        batches = [texts[i : i + _BATCH] for i in range(0, len(texts), _BATCH)]
        vectors = []
        for batch in batches:
            coded = tokenizer(list(batch), padding=True, truncation=True, max_length=longest, return_tensors="pt")
            coded = coded.to(device)
            weights = coded.attention_mask[..., None]
            means = (encoder(**coded).last_hidden_state * weights).sum(1) / weights.sum(1)
            vectors.append(torch.nn.functional.normalize(means.float(), dim=-1).cpu().numpy())
        return np.concatenate(vectors)

    return embed


def _collapsed(text: str) -> str:
    return " ".join(text.split())
