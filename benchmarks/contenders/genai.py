"""OpenVINO GenAI with 8-bit weights and continuous batching; free, or held to the JSON Schema.

Runs with a Python that has `openvino-genai` and, for the conversion, `optimum-intel`.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import openvino_genai as genai

from contenders.job import Job, Read, run


def load(job: Job) -> Read:
    """All reports at once: the pipeline admits as many as fit into its cache."""
    scheduler = genai.SchedulerConfig()
    scheduler.cache_size = 4
    threads = {"INFERENCE_NUM_THREADS": job.threads}
    pipeline = genai.ContinuousBatchingPipeline(f"{job.model}/genai", scheduler, "CPU", threads)

    def read(numbers: Sequence[int]) -> list[str]:
        configs = [_config(job, job.most_tokens[i]) for i in numbers]
        found = pipeline.generate([job.prompts[i] for i in numbers], configs)
        return [result.m_generation_ids[0] for result in found]

    return read


def _config(job: Job, most_tokens: int) -> genai.GenerationConfig:
    config = genai.GenerationConfig(max_new_tokens=most_tokens, do_sample=False, apply_chat_template=False)
    if job.way == "json":
        config.structured_output_config = genai.StructuredOutputConfig(json_schema=job.json_schema)
    return config


def convert(folder: Path) -> None:
    """Writes the OpenVINO model into the folder of the merged model."""
    command = [str(Path(sys.executable).with_name("optimum-cli")), "export", "openvino", "--model", str(folder)]
    subprocess.run(
        [*command, "--task", "text-generation-with-past", "--weight-format", "int8", str(folder / "genai")],
        check=True,
    )


if __name__ == "__main__":
    if sys.argv[1] == "convert":
        convert(Path(sys.argv[2]))
    else:
        run(load, ("openvino", "openvino-genai"))
