"""Inputs and outputs on S3, against a real server, with real Ray."""

from collections import Counter

import pyarrow.parquet as pq
import pytest
from s3_server import make_bucket

from elmtex_batch.errors import InputMissing, OutputError, SettingsError
from elmtex_batch.fakes import PatternReader
from elmtex_batch.inputs import list_sources, read_bytes
from elmtex_batch.pipeline import Model, convert
from elmtex_batch.settings import Settings
from elmtex_batch.warehouse import Warehouse

NAMES = ["plain.txt", "Befund Müller 1.txt", "100%20 #2.txt", "deep/er [a]?.txt"]


def test_from_bucket_to_bucket_once_and_never_again(s3: dict[str, str]) -> None:
    store = make_bucket("clinic")
    for i, name in enumerate([*NAMES, ".hidden.txt"]):
        with store.open_output_stream(f"clinic/in/{name}") as stream:
            stream.write(f"A {20 + i}-year-old man.".encode())
    out, fake = "s3://clinic/out/nightly", Model("fake", PatternReader)
    first = convert(["s3://clinic/in/"], out, Settings(), lambda _: None, fake)
    assert first.statuses == {"extracted": 4}
    again = convert(["s3://clinic/in/"], out, Settings(), lambda _: None, fake)
    assert (again.skipped, again.done) == (4, 0)
    other = Model("other", PatternReader)
    reused = convert(["s3://clinic/in/"], out, Settings(), lambda _: None, other, child=("no-such-command",))
    assert reused.statuses == {"extracted": 4}
    assert Counter(row["model"] for row in Warehouse.open(out).ledger().to_pylist()) == {"fake": 4, "other": 4}
    files = pq.read_table("clinic/out/nightly/documents", filesystem=store).to_pylist()
    assert {source for row in files for source in row["sources"]} == {f"s3://clinic/in/{name}" for name in NAMES}


def test_keys_are_taken_as_they_stand_and_globs_choose_among_them(s3: dict[str, str]) -> None:
    store = make_bucket("keys")
    for name in NAMES:
        with store.open_output_stream(f"keys/a/{name}") as stream:
            stream.write(name.encode())
    sources = list_sources(["s3://keys/a"])
    assert {read_bytes(source.path).decode() for source in sources} == set(NAMES)
    assert [source.path for source in list_sources(["s3://keys/a/100%20 #2.txt"])] == ["s3://keys/a/100%20 #2.txt"]
    assert len(list_sources(["s3://keys/a/*.txt"])) == 3 and len(list_sources(["s3://keys/**/*.txt"])) == 4


def test_what_cannot_be_opened_is_told_without_names(s3: dict[str, str]) -> None:
    with pytest.raises(InputMissing) as listing:
        list_sources(["s3://no-such-bucket/secret"])
    with pytest.raises(OutputError) as writing:
        Warehouse.create("s3://no-such-bucket/secret")
    assert "secret" not in str(listing.value) + str(writing.value)


@pytest.mark.parametrize("uri", ["s3://key:password@bucket/in", "s3://bucket/in?endpoint_override=localhost:9000"])
def test_options_and_passwords_in_uris_are_refused(uri: str) -> None:
    with pytest.raises(SettingsError, match="AWS_ENDPOINT_URL"):
        list_sources([uri])
    with pytest.raises(SettingsError, match="AWS_ENDPOINT_URL"):
        Warehouse(uri)
