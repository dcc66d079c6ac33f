"""A Ray cluster of three nodes, each with processes of its own, on this machine."""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import ray
from canaries import FAULTY
from pydantic import ValidationError
from ray.cluster_utils import Cluster
from test_operations import commands, fake_program, fill_archive
from test_reliability import rows

from elmtex_batch.errors import SettingsError
from elmtex_batch.fakes import FatalReader, PatternReader
from elmtex_batch.pipeline import Model, convert
from elmtex_batch.reader import Answer
from elmtex_batch.sandbox import CHILD
from elmtex_batch.settings import RunSettings, Settings
from elmtex_batch.summary import Summary
from elmtex_batch.warehouse import Warehouse


def signing_model(log: Path, nodes: int) -> Model:
    """Notes on which node it reads, and takes its time: all it needs until as many nodes as told are noted.

    Its class is local, so that nodes get it by value: they cannot import tests.
    """

    class SigningReader(PatternReader):
        def read(self, texts: Sequence[str]) -> list[Answer]:
            with log.open("a") as lines:
                lines.write(os.environ["NODE_NAME"] + "\n")
            give_up = time.monotonic() + 120
            time.sleep(0.2)
            while len(set(log.read_text().split())) < nodes and time.monotonic() < give_up:
                time.sleep(0.2)
            return super().read(texts)

    return Model("fake", SigningReader)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    head = {
        "num_cpus": 2, "resources": {"pages": 2}, "include_dashboard": False, "env_vars": {"NODE_NAME": "head"},
        "_system_config": {
            "health_check_period_ms": 500, "health_check_failure_threshold": 4, "num_workers_soft_limit": 16,
        },
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        cluster = Cluster(initialize_head=True, head_node_args=head)
        for name in ("worker-1", "worker-2"):
            cluster.add_node(num_cpus=1, resources={"model": 1}, env_vars={"NODE_NAME": name})
        yield cluster
        cluster.shutdown()  # type: ignore[no-untyped-call]


def texts(folder: Path, count: int) -> Path:
    folder.mkdir()
    for i in range(count):
        (folder / f"{i:03}.txt").write_text(f"A {i}-year-old man.", encoding="utf-8")
    return folder


@pytest.mark.parametrize("kill", [False, pytest.param(True, marks=pytest.mark.soak)])
def test_pages_and_models_on_their_nodes(cluster: Cluster, tmp_path: Path, kill: bool) -> None:
    """The pool of models grows to the second node; or the only one's node goes away in the middle, and it moves."""
    folder, out, log = texts(tmp_path / "in", 160 if kill else 40), tmp_path / "out", tmp_path / "models.log"
    pages = tmp_path / "pages.log"
    child = ("sh", "-c", f'echo "$NODE_NAME" >> {pages}; exec "$@"', "sh", *CHILD)
    run = RunSettings(
        ray_address=cluster.address, batch_documents=2, model_actors=(1, 1 if kill else 2),
        page_resources={"pages": 1}, model_resources={"model": 1},
    )  # fmt: skip
    killed: list[str] = []

    def kill_once(summary: Summary) -> None:
        if kill and summary.done >= 8 and not killed:
            killed.append(log.read_text().split()[-1])
            nodes = {node._ray_params.env_vars["NODE_NAME"]: node for node in cluster.worker_nodes}
            cluster.remove_node(nodes[killed[0]], allow_graceful=False)

    model = signing_model(log, 1 if kill else 2)
    summary = convert([str(folder)], str(out), Settings(run=run), kill_once, model, child=child)
    count = len(list(folder.iterdir()))
    assert summary.statuses == {"extracted": count} and bool(killed) == kill
    assert len(rows(out)) == len({doc_id for doc_id, _, _ in rows(out)}) == count
    assert set(pages.read_text().split()) == {"head"}
    assert set(log.read_text().split()) == {"worker-1", "worker-2"}


def test_a_node_that_does_not_see_the_inputs_stops_the_run_before_any_work(cluster: Cluster, tmp_path: Path) -> None:
    """A folder that only this process sees stands for one that is on this machine alone."""
    descriptor = os.open(texts(tmp_path / "in", 1), os.O_RDONLY)
    try:
        inputs = f"/proc/self/fd/{descriptor}"
        settings = Settings(run=RunSettings(ray_address=cluster.address))
        with pytest.raises(SettingsError, match="does not see the inputs or the output"):
            convert([inputs], str(tmp_path / "out"), settings, lambda _: None, Model("fake", PatternReader))
    finally:
        os.close(descriptor)
    assert rows(tmp_path / "out") == []


@pytest.mark.soak
def test_as_a_ray_job(s3: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command of `docs/operations.md`; needs the dashboard, which takes long to start."""
    fill_archive()
    monkeypatch.setenv("PATH", f"{fake_program(tmp_path)}:{os.environ['PATH']}")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 3, "include_dashboard": True})
    try:
        monkeypatch.setenv("RAY_API_SERVER_ADDRESS", f"http://{cluster.webui_url}")
        command = commands("sh cluster")
        assert "ray job submit" in command
        done = subprocess.run(["bash", "-ec", command], capture_output=True, text=True)
        assert done.returncode == 0 and "succeeded" in done.stdout, done.stdout + done.stderr
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]
    ledger = Warehouse.open("s3://clinic/cluster").ledger().to_pylist()
    assert len(ledger) == 3 and [row["status"] for row in ledger].count("rejected") == 1


def test_documents_that_end_their_worker_or_the_model_cost_only_themselves(tmp_path: Path) -> None:
    folder, out = texts(tmp_path / "in", 40), tmp_path / "out"
    (folder / "017.txt").write_text("FAULT worker")
    (folder / "023.txt").write_text("A fatal text.")
    (folder / "024.txt").write_text("Another fatal text.")
    settings = Settings(run=RunSettings(model_actors=(1, 2)))
    summary = convert([str(folder)], str(out), settings, lambda _: None, Model("fake", FatalReader), child=FAULTY)
    assert summary.statuses == {"extracted": 37, "rejected": 3}
    assert summary.reasons == {"reader_crashed": 1, "model_crashed": 2}
    assert not ray.is_initialized()


def test_bounds_of_the_pool_of_models_are_checked() -> None:
    assert RunSettings(model_actors=3).least_actors == RunSettings(model_actors=(2, 3)).most_actors == 3
    with pytest.raises(ValidationError, match="least comes before the most"):
        RunSettings(model_actors=(3, 2))
