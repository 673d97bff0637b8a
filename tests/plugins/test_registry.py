"""Plugins: three ways in, one contract, and nothing that one of them does wrong reaches another."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from shipped_tasks import SHIPPED
from spec_text import VALID

from ftcore.errors import PluginError, UserError
from ftcore.plugins import PluginInfo, PluginRegistry
from ftcore.spec import SpecError, load_spec

ROOT = Path(__file__).parents[2]
DROP_IN = Path(__file__).parent / "drop_in" / "topics.py"
GOOD = """\
from ftcore.api import SequenceClassificationSpec, Task, hookimpl

@hookimpl
def ftcore_task():
    return Task(id="{id}", summary="s", spec=SequenceClassificationSpec)
"""


@pytest.fixture
def plugins(project: Path) -> Path:
    """The project's folder of drop-ins, with the plugin `topics`."""
    folder = project / "plugins"
    folder.mkdir()
    shutil.copy(DROP_IN, folder)
    return folder


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on sys.path, for distributions to be faked in."""
    folder = tmp_path_factory.mktemp("site")
    monkeypatch.syspath_prepend(str(folder))
    return folder


def install(site: Path, dist: str, entry_points: str, version: str = "1.2", **modules: str) -> None:
    """Fake an installed distribution."""
    info = site / f"{dist.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[ftcore.tasks]\n{entry_points}\n")
    for name, text in modules.items():
        (site / f"{name}.py").write_text(text)


def info_of(task_id: str, registry: PluginRegistry) -> PluginInfo:
    (info,) = [info for info in registry.infos() if info.id == task_id]
    return info


def failure(task_id: str, registry: PluginRegistry | None = None) -> PluginError:
    with pytest.raises(PluginError) as caught:
        (registry or PluginRegistry.discover()).load(task_id)
    return caught.value


def test_drop_in_fits_on_a_page() -> None:
    assert len(DROP_IN.read_text().splitlines()) <= 40


@pytest.mark.parametrize("task", SHIPPED)
def test_a_shipped_task_fits_on_a_page_and_has_one_in_the_reference(task: str) -> None:
    assert len((ROOT / "plugins" / "ftcore_plugins" / f"{task}.py").read_text().splitlines()) <= 40
    index = (ROOT / "docs" / "index.md").read_text()
    listed = re.findall(r"\]\((reference/[a-z-]+\.md)\)", index.split("\nTasks: ")[1].split("\n\n")[0])
    assert any(f"`{task}`" in (ROOT / "docs" / page).read_text() for page in listed)


def test_drop_in_works_with_its_own_field_and_metric(plugins: Path, project: Path) -> None:
    registry = PluginRegistry.discover()
    info = info_of("topics", registry)
    assert (info.origin, info.dist, info.path) == ("drop-in", None, plugins / "topics.py")
    assert info.summary == "News topics: a label for a text, with a least length and a metric of its own."
    (project / "spec.yaml").write_text(VALID.replace("sentiment", "topics"))
    resolved = load_spec(project / "spec.yaml", registry, ["data.min_characters=5"])
    hooks = resolved.task.hooks
    assert resolved.task.implemented == ("ftcore_metrics", "ftcore_prepare_row", "ftcore_task")
    assert hooks.ftcore_metrics(
        spec=resolved.spec, references=["a", "b"], answers=["a", "a"], decoded=[]
    ) == [{"distinct_references": 2.0}]
    with pytest.raises(ValueError, match="fewer than 5"):
        hooks.ftcore_prepare_row(spec=resolved.spec, row={"text": "abc"})
    with pytest.raises(SpecError, match="did you mean `min_characters`"):
        load_spec(project / "spec.yaml", registry, ["data.min_charcters=5"])


def test_event_hook_sees_events(plugins: Path) -> None:
    text = GOOD.format(id="tracker") + "\nseen = []\n@hookimpl\ndef ftcore_event(event): seen.append(event)\n"
    (plugins / "tracker.py").write_text(text)
    loaded = PluginRegistry.discover().load("tracker")
    loaded.hooks.ftcore_event(event={"kind": "step"}, run=Path())
    assert sys.modules[loaded.info.module].seen == [{"kind": "step"}]


def test_plugins_dir_takes_the_place_of_the_projects_own(
    plugins: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("other")
    (folder / "mine.py").write_text(GOOD.format(id="mine"))
    ids = [info.id for info in PluginRegistry.discover(plugins_dir=folder).infos()]
    assert "mine" in ids
    assert "topics" not in ids
    with pytest.raises(UserError, match="no such folder"):
        PluginRegistry.discover(plugins_dir=folder / "none")


def test_finding_runs_nothing(plugins: Path, site: Path) -> None:
    (plugins / "loud.py").write_text('"""Loud."""\nraise SystemExit("imported")\n')
    package = site / "loud_package"
    package.mkdir()
    (package / "__init__.py").write_text('raise SystemExit("imported")')
    (package / "task.py").write_text('"""Inside."""\nraise SystemExit("imported")\n')
    install(site, "loud-dist", "inside = loud_package.task")
    registry = PluginRegistry.discover()
    assert info_of("loud", registry).summary == "Loud."
    assert info_of("inside", registry).summary == "Inside."
    assert "loud_package" not in sys.modules


HOOK = "from ftcore.api import hookimpl\n@hookimpl\ndef {}: ...\n"
BROKEN = {
    "raises": ("x = 1\nraise RuntimeError('boom')\n", 2, "RuntimeError: boom"),
    "raises_below": ("def f():\n    return {}['k']\n\nf()\n", 2, "KeyError: 'k'"),
    "exits": ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3"),
    "syntax": ("x = 1\ny = (\n", 2, "SyntaxError"),
    "needs_more": ("import no_such_module_at_all\n", 1, "install what it needs: `no_such_module_at_all`"),
    "no_task": ("x = 1\n", None, "no hook `ftcore_task`"),
    "other_id": (GOOD.format(id="another"), None, "its task says it is `another`"),
    "not_marked": (GOOD.format(id="not_marked").replace("@hookimpl", ""), None, "is not marked `@hookimpl`"),
    "unknown_hook": (HOOK.format("ftcore_metric(spec)"), None, "did you mean `ftcore_metrics`?"),
    "unknown_specname": (HOOK.replace("@hookimpl", "@hookimpl(specname='ftcore_rows')").format("f()"), None, "no hook"),
    "unknown_argument": (HOOK.format("ftcore_metrics(refs)"), None, "ftcore_metrics(spec, references, answers, d"),
    "returns_text": (GOOD.format(id="x").replace("Task(id", "dict(id"), None, "returns dict, not a Task"),
    "no_family": (GOOD.format(id="no_family").replace("SequenceClassificationSpec", "Spec"), None, "a family's spec"),
    "task_fails": (HOOK.format("ftcore_task()").replace("...", "\n    1 / 0"), 4, "ZeroDivisionError"),
    "newer": ("ftcore_api_version = 7\nfrom ftcore.api import NotThereYet\n", None, "written for plugin API 7; ftcore"),
    "computed_version": (GOOD.format(id="x") + "ftcore_api_version = 1 + 1\n", None, "for plugin API 2; ftcore"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_plugin_is_named_and_hurts_no_other(name: str, plugins: Path) -> None:
    text, line, says = BROKEN[name]
    path = plugins / f"{name}.py"
    path.write_text(text)
    registry = PluginRegistry.discover()
    error = failure(name, registry)
    assert f"`{name}`" in error.what
    assert error.where == (f"{path}:{line}" if line else str(path))
    assert says in str(error)
    assert registry.load("topics").task.id == "topics"
    assert registry.load("sentiment").task.id == "sentiment"


def test_error_of_a_broken_plugin_is_shown_at_the_task(plugins: Path, project: Path) -> None:
    (plugins / "raises.py").write_text("raise RuntimeError('boom')\n")
    path = project / "spec.yaml"
    path.write_text(VALID.replace("sentiment", "raises"))
    with pytest.raises(SpecError) as caught:
        load_spec(path, PluginRegistry.discover())
    assert str(caught.value).startswith(f"{path}:1:7: error[task]: plugin `raises` cannot be imported")
    assert f"{plugins / 'raises.py'}:1" in str(caught.value)


def test_junk_in_the_folder_is_no_plugin(plugins: Path) -> None:
    for name in ("_private.py", "__init__.py", ".hidden.py", "two-words.py", "notes.txt", "3d.py", "x.pyc"):
        (plugins / name).write_text("raise RuntimeError")
    (plugins / "folder.py").mkdir()
    (plugins / "package").mkdir()
    (plugins / "package" / "__init__.py").write_text("")
    found = [info.id for info in PluginRegistry.discover().infos() if info.origin == "drop-in"]
    assert found == ["topics"]


def test_dataclasses_and_annotations_work_in_a_drop_in(plugins: Path) -> None:
    text = "from __future__ import annotations\nfrom dataclasses import KW_ONLY, dataclass\n"
    text += "@dataclass\nclass Pair:\n    a: int\n    _: KW_ONLY\n    b: int = 0\n" + GOOD.format(
        id="annotated"
    )
    (plugins / "annotated.py").write_text(text)
    assert PluginRegistry.discover().load("annotated").task.id == "annotated"


def test_installed_plugin(site: Path, project: Path) -> None:
    install(
        site,
        "acme-intents",
        "intents = acme_intents",
        acme_intents=f'"""Intents."""\n{GOOD.format(id="intents")}',
    )
    registry = PluginRegistry.discover()
    info = info_of("intents", registry)
    assert (info.origin, info.dist, info.version, info.path) == (
        "installed", "acme-intents", "1.2", site / "acme_intents.py",
    )  # fmt: skip
    assert registry.load("intents").task.id == "intents"
    assert info_of("sentiment", registry).origin == "shipped"


def test_installed_plugin_whose_module_is_gone(site: Path, project: Path) -> None:
    install(site, "acme-intents", "intents = acme_gone.task\nodd = not a module !")
    registry = PluginRegistry.discover()
    assert info_of("intents", registry).status == "missing"
    assert info_of("odd", registry).status == "missing"
    assert "acme-intents 1.2" in failure("intents", registry).what


def test_damaged_distribution_is_passed_over(site: Path, project: Path) -> None:
    (site / "damaged-1.dist-info").mkdir()
    (site / "damaged-1.dist-info" / "entry_points.txt").write_bytes(b"[ftcore.tasks]\nx = \xff\n")
    assert {*SHIPPED} <= {info.id for info in PluginRegistry.discover().infos()}


def test_two_of_one_id_are_an_error_that_names_both(plugins: Path, site: Path) -> None:
    install(site, "acme-topics", "topics = acme_topics", acme_topics=GOOD.format(id="topics"))
    registry = PluginRegistry.discover()
    assert [info.status for info in registry.infos() if info.id == "topics"] == ["conflict", "conflict"]
    message = str(failure("topics", registry))
    assert "acme-topics 1.2" in message
    assert str(plugins / "topics.py") in message
    assert registry.load("sentiment").task.id == "sentiment"


def test_drop_in_does_not_shadow_a_shipped_task(plugins: Path) -> None:
    (plugins / "sentiment.py").write_text(GOOD.format(id="sentiment"))
    assert "conflict" in str(failure("sentiment"))


def test_one_file_reached_twice_is_one_plugin(plugins: Path, site: Path) -> None:
    (site / "acme_topics.py").symlink_to(plugins / "topics.py")
    install(site, "acme-topics", "topics = acme_topics")
    assert info_of("topics", PluginRegistry.discover()).origin == "installed"


def test_distribution_listed_twice_counts_once(
    site: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "acme-intents", "intents = acme_intents", acme_intents=GOOD.format(id="intents"))
    link = project / "lib64"
    link.symlink_to(site)
    monkeypatch.syspath_prepend(str(link))
    assert info_of("intents", PluginRegistry.discover()).status == "available"


@pytest.mark.parametrize(
    ("allowed", "loadable"),
    [
        ("topics", {"topics"}),
        (
            "ftcore",
            {*SHIPPED},
        ),
        ("Acme_Intents, topics", {"intents", "topics"}),
        ("", set()),
    ],
)
def test_allowlist_of_the_environment(
    allowed: str, loadable: set[str], plugins: Path, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(site, "acme-intents", "intents = acme_intents", acme_intents=GOOD.format(id="intents"))
    monkeypatch.setenv("FTCORE_PLUGINS", allowed)
    registry = PluginRegistry.discover()
    everything = {"topics", "intents", *SHIPPED}
    assert {info.id for info in registry.infos() if info.status == "available"} == loadable
    assert {info.id for info in registry.infos() if info.status == "not allowed"} == everything - loadable
    for task_id in everything - loadable:
        assert "allowlist" in failure(task_id, registry).what
    for task_id in loadable:
        assert registry.load(task_id).task.id == task_id


def test_allowlist_of_the_project(plugins: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "pyproject.toml").write_text('[tool.ftcore]\nplugins = ["topics"]\n')
    assert info_of("sentiment", PluginRegistry.discover()).status == "not allowed"
    monkeypatch.setenv("FTCORE_PLUGINS", "sentiment")
    assert info_of("sentiment", PluginRegistry.discover()).status == "available", (
        "the environment comes first"
    )
    assert info_of("topics", PluginRegistry.discover(allow=["topics"])).status == "available"


@pytest.mark.parametrize(
    "text",
    ["[tool.ftcore]\nplugins = 'topics'\n", "[tool.ftcore\n", "tool = 3\n", "[tool.ftcore]\nplugins = [1]\n"],
)
def test_allowlist_that_cannot_be_read_is_an_error(text: str, project: Path) -> None:
    (project / "pyproject.toml").write_text(text)
    with pytest.raises(UserError, match=r"pyproject\.toml"):
        PluginRegistry.discover()


def test_allowlist_settles_a_conflict(plugins: Path, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "acme-topics", "topics = acme_topics", acme_topics=GOOD.format(id="topics"))
    registry = PluginRegistry.discover(allow=["acme-topics"])
    # The drop-in's id is the same; what is allowed by distribution alone is that distribution.
    statuses = {info.origin: info.status for info in registry.infos() if info.id == "topics"}
    assert statuses == {"installed": "available", "drop-in": "not allowed"}
    assert registry.load("topics").info.dist == "acme-topics"


def test_unknown_task(project: Path) -> None:
    assert failure("sentimant").hint == "did you mean `sentiment`?"
    assert failure("zzz").hint == f"the tasks are {', '.join(SHIPPED)}"
