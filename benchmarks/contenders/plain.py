"""transformers `generate` on the merged model, in padded batches; free, or with the grammar as a logits processor."""

from collections.abc import Sequence
from typing import Any

import llguidance.hf
import numpy as np
import torch
from llguidance import LLMatcher
from transformers import AutoModelForCausalLM, AutoTokenizer, LogitsProcessor

from contenders.job import Job, Read, by_length, run


class Grammars(LogitsProcessor):
    """Forbids what the grammar of a row's report does not allow next."""

    def __init__(self, vocabulary: Any, grammars: Sequence[str], prompt_tokens: int) -> None:
        self._matchers = [LLMatcher(vocabulary, LLMatcher.grammar_from_lark(grammar)) for grammar in grammars]
        self._masks = np.zeros((len(grammars), (vocabulary.vocab_size + 31) // 32), np.int32)
        self._prompt_tokens = prompt_tokens

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """The scores (rows, vocabulary), minus infinity where forbidden."""
        for matcher, mask, ids in zip(self._matchers, self._masks, input_ids, strict=True):
            if len(ids) > self._prompt_tokens and not matcher.is_stopped():
                matcher.consume_token(int(ids[-1]))
            matcher.unsafe_compute_mask_ptr(mask.ctypes.data, mask.nbytes)
        bits = np.unpackbits(self._masks.view(np.uint8), axis=1, bitorder="little")[:, : scores.shape[1]]
        return scores.masked_fill(torch.from_numpy(bits == 0), -torch.inf)


def load(job: Job) -> Read:
    """Greedy decoding in batches of `job.batch` reports of similar length."""
    torch.set_num_threads(job.threads)
    tokenizer: Any = AutoTokenizer.from_pretrained(job.model, padding_side="left")
    model: Any = AutoModelForCausalLM.from_pretrained(job.model, dtype=getattr(torch, job.dtype))
    vocabulary = llguidance.hf.from_tokenizer(tokenizer, n_vocab=model.config.vocab_size)

    def answer(batch: Sequence[int]) -> list[str]:
        inputs = tokenizer([job.prompts[i] for i in batch], padding=True, return_tensors="pt")
        told = inputs.input_ids.shape[1]
        held = [Grammars(vocabulary, [job.grammars[i] for i in batch], told)] if job.way == "grammar" else []
        most = max(job.most_tokens[i] for i in batch)
        found = model.generate(**inputs, do_sample=False, max_new_tokens=most, logits_processor=held)
        return list(tokenizer.batch_decode(found[:, told:], skip_special_tokens=True))

    def read(numbers: Sequence[int]) -> list[str]:
        batches = by_length(job.prompts, numbers, job.batch)
        found = {i: text for batch in batches for i, text in zip(batch, answer(batch), strict=True)}
        return [found[i] for i in numbers]

    return read


if __name__ == "__main__":
    with torch.inference_mode():
        run(load, ("torch", "transformers", "llguidance"))
