"""The examples of `jobs/` and the Dockerfile, against this package and against what reads them."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from elmtex_batch.cli import _parser
from elmtex_batch.settings import load_settings

ROOT = Path(__file__).parent.parent
JOBS = ROOT / "jobs"


@pytest.fixture
def ray_job() -> dict[str, Any]:
    job: dict[str, Any] = yaml.safe_load((JOBS / "cluster" / "rayjob.yaml").read_text())
    return job


def command_lines() -> list[str]:
    texts = [path.read_text() for path in (JOBS / "cluster" / "rayjob.yaml", *JOBS.glob("systemd/*"), JOBS / "crontab")]
    return [line for text in texts for line in re.findall(r"^[^#\n]*elmtex-batch (convert .*)$", text, re.MULTILINE)]


def test_every_command_of_the_examples_is_one_of_this_program() -> None:
    lines = command_lines()
    assert len(lines) == 3
    for line in lines:
        assert _parser().parse_args(shlex.split(line)).config


def test_the_ray_job_has_nodes_for_all_that_its_settings_ask_for(ray_job: dict[str, Any]) -> None:
    run = load_settings(JOBS / "cluster" / "settings.toml").run
    spec = ray_job["spec"]["rayClusterSpec"]
    pages, model = spec["workerGroupSpecs"]
    for group, wanted in ((pages, run.page_resources), (model, run.model_resources)):
        # KubeRay hands the value to a shell, which takes the outer quotes away.
        (offered,) = shlex.split(group["rayStartParams"]["resources"])
        assert all(json.loads(offered)[name] >= amount for name, amount in wanted.items())
        assert not set(json.loads(offered)) & (set(run.page_resources | run.model_resources) - set(wanted))
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    (container,) = model["template"]["spec"]["containers"]
    assert int(container["resources"]["limits"]["nvidia.com/gpu"]) >= (run.model_gpus or 0) > 0
    assert int(container["resources"]["limits"]["cpu"]) >= run.model_cpus
    assert model["maxReplicas"] == run.most_actors
    assert spec["rayVersion"] in (ROOT / "requirements" / "run.txt").read_text().split("ray==")[1].splitlines()[0]


def test_the_ray_job_names_only_fields_that_kuberay_has(ray_job: dict[str, Any]) -> None:
    """An unknown field would be dropped in silence by some versions, and refused by others."""
    job = {
        "entrypoint", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "activeDeadlineSeconds", "backoffLimit",
        "rayClusterSpec", "runtimeEnvYAML", "submissionMode", "suspend",
    }  # fmt: skip
    group = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}
    spec = ray_job["spec"]
    assert (ray_job["apiVersion"], ray_job["kind"]) == ("ray.io/v1", "RayJob") and set(spec) <= job
    cluster = spec["rayClusterSpec"]
    assert set(cluster) == {"rayVersion", "enableInTreeAutoscaling", "headGroupSpec", "workerGroupSpecs"}
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for member in groups:
        assert set(member) <= group and all(isinstance(value, str) for value in member["rayStartParams"].values())
        (container,) = member["template"]["spec"]["containers"]
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert container["envFrom"] == [{"secretRef": {"name": "s3"}}]
    assert len({member["template"]["spec"]["containers"][0]["image"] for member in groups}) == 1


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for path in (JOBS / "systemd").iterdir():
        text = path.read_text().replace("/opt/elmtex-batch/.venv/bin/elmtex-batch", sys.executable)
        (tmp_path / path.name).write_text(
            text.replace("/opt/elmtex-batch", str(tmp_path)).replace("=elmtex\n", "=root\n")
        )
    units = [str(path) for path in sorted(tmp_path.iterdir())]
    found = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    assert found.returncode == 0 and "elmtex-batch" not in found.stderr, found.stderr


def test_the_dockerfile_copies_what_is_there_and_installs_what_make_installs() -> None:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    copied = [name for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE) for name in line.split()[:-1]]
    assert copied and all((ROOT / name).exists() for name in copied)
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert not set(ignored) & set(copied)
    lists = set(re.findall(r"-r (requirements/\S+)", text))
    makefile = (ROOT / "Makefile").read_text()
    assert lists == {f"requirements/{name}.txt" for name in ("run", "cluster", "bases")}
    assert all(f"-r {name}" in makefile for name in lists)
    project = (ROOT / "pyproject.toml").read_text()
    for needed in ("README.md", "LICENSE", "schemas"):
        assert needed in project and needed in copied
