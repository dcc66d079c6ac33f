"""llama.cpp on the merged model in 8 bits, one report after the other; free.

Runs with a Python that has `llama-cpp-python`.
"""

from collections.abc import Sequence

from llama_cpp import Llama

from contenders.job import Job, Read, run

_CONTEXT = 4_096


def load(job: Job) -> Read:
    """Greedy decoding; its Python interface reads no batches."""
    threads = {"n_threads": job.threads, "n_threads_batch": job.threads}
    model = Llama(f"{job.model}/llama/model.gguf", n_ctx=_CONTEXT, verbose=False, **threads)

    def answer(number: int) -> str:
        found = model.create_completion(job.prompts[number], max_tokens=job.most_tokens[number], temperature=0.0)
        return str(found["choices"][0]["text"])

    def read(numbers: Sequence[int]) -> list[str]:
        return [answer(number) for number in numbers]

    return read


if __name__ == "__main__":
    run(load, ("llama-cpp-python",))
