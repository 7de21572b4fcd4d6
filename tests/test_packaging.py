"""What an installation holds: nothing missing, nothing foreign."""

from __future__ import annotations

import configparser
import importlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from zoo.registry import GROUPS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "zoo"
DATA = (
    "py.typed",
    "cfg/*.cfg",
    "page/*.js",
    "page/*.css",
    "weights/*.yaml",
    "weights/*.safetensors",
    "plugin_template/*.txt",
    "plugin_template/*/*.txt",
)


@pytest.fixture(scope="module")
def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def declared(setup_cfg: configparser.ConfigParser, group: str) -> dict[str, str]:
    lines = setup_cfg["options.entry_points"][group].strip().splitlines()
    pairs = (line.partition("=") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}


@pytest.mark.parametrize("group", [*GROUPS, "console_scripts"])
def test_every_entry_point_leads_somewhere(
    setup_cfg: configparser.ConfigParser, group: str
) -> None:
    points = declared(setup_cfg, group)
    assert points
    for value in points.values():
        module, _, attribute = value.partition(":")
        assert hasattr(importlib.import_module(module), attribute), value


@pytest.mark.parametrize("group", GROUPS)
def test_what_is_installed_is_what_is_declared(
    setup_cfg: configparser.ConfigParser, group: str
) -> None:
    installed = {
        point.name: point.value
        for point in entry_points(group=group)
        if point.dist is not None and point.dist.name == "cfgzoo"
    }
    assert installed == declared(setup_cfg, group), "install zoo again"


def test_every_layer_is_registered(setup_cfg: configparser.ConfigParser) -> None:
    """A file in zoo/layers that defines a layer with a summary is in setup.cfg."""
    registered = {
        value.partition(":")[0] for value in declared(setup_cfg, "zoo.layers").values()
    }
    for path in (PACKAGE / "layers").glob("*.py"):
        if re.search(
            r"^    summary = ", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            assert f"zoo.layers.{path.stem}" in registered


def test_data_files_are_declared(setup_cfg: configparser.ConfigParser) -> None:
    globs = setup_cfg["options.package_data"]["zoo"].split()
    assert globs == list(DATA)
    declared_files = {path for glob in globs for path in PACKAGE.glob(glob)}
    for folder in ("cfg", "page", "weights", "plugin_template"):
        for path in (PACKAGE / folder).rglob("*"):
            if path.suffix in (".py", ".pyc"):
                continue
            if path.is_file() and not path.name.startswith((".", "README")):
                assert path in declared_files, f"{path} would not be installed"


@pytest.mark.parametrize("door", ["layers", "parsers", "plugins", "cfg", "weights"])
def test_the_links_at_the_top_lead_somewhere(door: str) -> None:
    """In a fresh clone too, where git leaves out folders that are empty."""
    link = ROOT / door
    if not link.is_symlink():
        pytest.skip("this checkout has no links")
    assert os.readlink(link) == f"zoo/{door}"
    tracked = subprocess.run(
        ["git", "ls-files", f"zoo/{door}"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if tracked.returncode != 0:
        pytest.skip("this is no git checkout")
    assert tracked.stdout, f"git has nothing in zoo/{door}"


def test_nothing_is_imported_through_the_links() -> None:
    """`import layers` would work in a checkout only, and break others' programs."""
    rooms = "layers|parsers|plugins|cfg|weights"
    pattern = re.compile(rf"^\s*(?:from|import) (?:{rooms})\b", re.MULTILINE)
    for folder in ("zoo", "tests", "examples", "benchmarks", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not pattern.search(path.read_text(encoding="utf-8")), path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files that belong to the project, without what was built."""
    target = tmp_path_factory.mktemp("source")
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("this is no git checkout")
    for name in listing.stdout.decode().rstrip("\0").split("\0"):
        path = ROOT / name
        if path.is_file() and not path.is_symlink():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target / name)
    return target


def build(source: Path, kind: str, target: Path) -> Path:
    """Build a wheel or an sdist as an installer would, without the network."""
    target.mkdir(exist_ok=True)
    script = (
        "import sys, setuptools.build_meta as backend; "
        f"print(backend.build_{kind}(sys.argv[1]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, str(target)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    (made,) = target.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel_names(source: Path, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What a wheel built from the checkout holds."""
    with zipfile.ZipFile(
        build(source, "wheel", tmp_path_factory.mktemp("wheel"))
    ) as wheel:
        return set(wheel.namelist())


@pytest.mark.slow
def test_wheel(source: Path, wheel_names: set[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"zoo"}
    package = source / "zoo"
    wanted = {path for glob in DATA for path in package.glob(glob)}
    wanted |= set(package.rglob("*.py"))
    assert {path.relative_to(source).as_posix() for path in wanted} <= wheel_names
    assert not [n for n in wheel_names if n.endswith((".c", ".h", ".pyx"))]


@pytest.mark.slow
def test_sdist_builds_the_same_wheel(
    source: Path, wheel_names: set[str], tmp_path: Path
) -> None:
    archive = build(source, "sdist", tmp_path / "sdist")
    with tarfile.open(archive) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
        sdist.extractall(tmp_path / "unpacked", filter="data")
    native = source / "zoo" / "plugins" / "native"
    for path in (*native.glob("*.[ch]"), *native.glob("*.pyx")):
        if path.name != "_native.c":
            assert path.relative_to(source).as_posix() in names
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    again = build(unpacked, "wheel", tmp_path / "again")
    with zipfile.ZipFile(again) as wheel:
        assert set(wheel.namelist()) == wheel_names
