"""O que se instala: o pacote construído, as versões fixadas e os ambientes que as repetem."""

import ast
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OVERRIDES = ROOT / "share/jupyter/lab/settings/overrides.d/echo_lib.json"


def requirements(*names: str) -> dict[str, Requirement]:
    """As exigências de pyproject.toml pelos nomes de suas listas; sem nomes, todas."""
    lists = {
        "build": PYPROJECT["build-system"]["requires"],
        "kit": PYPROJECT["project"]["dependencies"],
        **PYPROJECT["project"]["optional-dependencies"],
    }
    parsed = [Requirement(text) for name in names or lists for text in lists[name]]
    return {canonicalize_name(requirement.name): requirement for requirement in parsed}


def pins() -> dict[str, str]:
    """As versões de constraints.txt para este Python, pelo nome do pacote."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    parsed = [Requirement(line) for line in lines if not line.startswith("#")]
    ours = [pin for pin in parsed if not pin.marker or pin.marker.evaluate()]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in ours}


def installed_closure() -> set[str]:
    """Tudo o que as exigências do kit trazem para este ambiente."""
    found: set[str] = set()
    waiting = [r for r in requirements().values() if not r.marker or r.marker.evaluate()]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found:
            continue
        found.add(name)
        for text in distribution(name).requires or []:
            child = Requirement(text)
            extras = requirement.extras or {""}
            if not child.marker or any(child.marker.evaluate({"extra": e}) for e in extras):
                waiting.append(child)
    return found


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return wheel.namelist()


def test_the_wheel_has_every_file_of_the_package(wheel_names):
    files = [p for p in (ROOT / "echo_lib").rglob("*") if p.suffix in {".py", ".js", ".css"}]
    assert {p.relative_to(ROOT).as_posix() for p in files} <= set(wheel_names)


def test_the_wheel_brings_the_jupyterlab_settings(wheel_names):
    data = "echo_lib-0.1.0.data/data/"
    assert data + OVERRIDES.relative_to(ROOT).as_posix() in wheel_names


def test_the_wheel_has_nothing_else(wheel_names):
    roots = {re.split(r"[/-]", name)[0] for name in wheel_names}
    assert roots == {"echo_lib"}


def test_every_requirement_is_pinned_to_a_version_it_accepts():
    pinned = pins()
    for name, requirement in requirements().items():
        assert name in pinned, f"{name} não está em constraints.txt"
        assert requirement.specifier.contains(pinned[name]), requirement


def test_what_runs_here_is_what_was_pinned():
    found = {name: distribution(name).version for name in installed_closure()}
    wrong = {name: version for name, version in found.items() if pins().get(name) != version}
    assert not wrong, "rode por `python3 kit.py testes`, ou renove constraints.txt"


def test_jupyterlab_opens_without_the_grammars_it_never_uses():
    """Fonte: jupyter-server/jupyter_server#1559."""
    assert "rfc3987-syntax" not in installed_closure()


def test_every_pinned_version_runs_on_the_first_release_of_the_oldest_python():
    oldest = re.search(r"\d+\.\d+", PYPROJECT["project"]["requires-python"])[0] + ".0"
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    later = {canonicalize_name(line.split("==")[0]) for line in lines if ">=" in line}
    for name in installed_closure() - (later if sys.version_info >= (3, 12) else set()):
        accepted = SpecifierSet(distribution(name).metadata.get("Requires-Python", ""))
        assert oldest in accepted, f"{name} {accepted}: fixe uma versão anterior"


def test_conda_gets_the_same_packages_and_minimums():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    ours = {canonicalize_name(r.name): r for r in map(Requirement, listed[2:-1])}
    wanted = requirements("kit") | {n: requirements()[n] for n in ours if n in requirements()}
    assert {n: r.specifier for n, r in ours.items()} == {n: r.specifier for n, r in wanted.items()}
    assert listed[1:2] + listed[-1:] == ["pip", {"pip": ["."]}]


def test_conda_gets_a_python_the_kit_accepts():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    python = re.search(r"python=([\d.]+)", text)[1]
    assert python in SpecifierSet(PYPROJECT["project"]["requires-python"])


@pytest.mark.parametrize("plugin", json.loads(OVERRIDES.read_text(encoding="utf-8")))
def test_jupyterlab_knows_every_setting_we_change(plugin):
    package, name = plugin.split(":")
    share = Path(sys.prefix, "share/jupyter")
    (path,) = share.glob(f"lab*/**/schemas/{package}/{name}.json")
    schema = json.loads(path.read_text(encoding="utf-8"))
    settings = json.loads(OVERRIDES.read_text(encoding="utf-8"))[plugin]
    assert settings.keys() <= schema["properties"].keys()
    known = re.findall(r'"id": "([^"]+)"', json.dumps(schema))
    assert set(re.findall(r'"id": "([^"]+)"', json.dumps(settings))) <= set(known)


def test_imports_only_go_down_the_list_of_contributing():
    """Um módulo só importa os que vêm antes dele na lista, e a lista tem todos."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    order = re.findall(
        r"`(\w+)`", text.partition("só descem** nesta lista:")[2].partition(".\n")[0]
    )
    files = [path for path in (ROOT / "echo_lib").rglob("*.py") if path.name != "__init__.py"]
    place = {
        path: path.relative_to(ROOT / "echo_lib").parts[0].removesuffix(".py") for path in files
    }
    assert set(order) == set(place.values())
    for path, module in place.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        for node in nodes:
            package, _, name = (node.module or "").partition("echo_lib")
            if package or (node.module or "").split(".")[0] != "echo_lib":
                continue
            used = [name.split(".")[1]] if name else [alias.name for alias in node.names]
            for other in used:
                if other in order:
                    assert order.index(other) <= order.index(module), f"{path}: importa {other}"
