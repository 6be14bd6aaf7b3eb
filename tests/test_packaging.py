"""The project as it is handed on: one version, commands that exist, nothing private in its text."""

import ast
import functools
import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nnlite

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
TEXT = {"", ".cfg", ".csv", ".json", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml"}
# Made on the reader's own machine, not part of the project.
MADE_HERE = {"__pycache__", "build", "dist", "runs"}


@functools.cache
def texts():
    """Every text file of the project, with what it says; git is not needed for it."""
    found = {}
    for folder, below, names in os.walk(ROOT):
        below[:] = [
            name
            for name in below
            if name == ".ci" or (not name.startswith(".") and name not in MADE_HERE)
        ]
        for path in (Path(folder, name) for name in sorted(names)):
            if path.suffix in TEXT and path != Path(__file__).resolve():
                inside = path.relative_to(ROOT).as_posix()
                found[inside] = path.read_text(encoding="utf-8")
    return found


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_texts_are_found():
    assert {"README.md", "LICENSE", ".gitignore", ".ci/run", "nnlite/version.py"} <= set(texts())


def test_the_version_has_one_source():
    declared = project()
    assert declared["project"]["dynamic"] == ["version"]
    assert declared["tool"]["hatch"]["version"]["path"] == "nnlite/version.py"
    source = ast.parse((ROOT / "nnlite" / "version.py").read_text(encoding="utf-8"))
    values = [node.value.value for node in source.body if isinstance(node, ast.Assign)]
    assert values == [nnlite.__version__]
    holders = [
        name
        for name, text in texts().items()
        if name.endswith(".py") and re.search(r"^__version__\s*=", text, re.MULTILINE)
    ]
    assert holders == ["nnlite/version.py"]


def test_the_installed_version_is_this_one():
    try:
        installed = importlib.metadata.version("nnlite")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("nnlite runs from its folder here: it is not installed")
    assert installed == nnlite.__version__


def test_the_changelog_has_an_unreleased_section():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## \[Unreleased\]$", text, re.MULTILINE)


def installations_by_name(text):
    """Return the commands in ``text`` that would install `nnlite` from a package index."""
    tool = r"\b(?:pip3?|pipx|uvx?|conda|poetry)\b"
    found = []
    for match in re.finditer(tool + r"[^\n;&|]*\b(?:install|add)\b([^\n`]*)", text):
        words = [word.strip("'\"`*.,:;()") for word in match.group(1).split()]
        if any(re.match(r"nnlite(?:$|[\[=<>~!@])", word) for word in words):
            found.append(match.group())
    return found


def test_no_text_installs_the_other_project_of_this_name():
    """`nnlite` on the package index belongs to somebody else: only a path may follow `install`."""
    for name, text in texts().items():
        assert installations_by_name(text) == [], name


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("python3 -m pip install nnlite", 1),
        ("Run `pip install -U 'nnlite[onnx]'`.", 1),
        ("uv add nnlite==1.0", 1),
        ("pip install .", 0),
        ("With `pip install .`; nnlite on the index is another project.", 0),
        ("pip install '.[onnx]'", 0),
        ("pip install ./nnlite", 0),
    ],
)
def test_an_installation_by_name_is_noticed(text, count):
    assert len(installations_by_name(text)) == count


@pytest.mark.parametrize(
    "pattern",
    [
        r"/home/\w",
        r"/root\b",
        r"/work/\w",
        r"/Users/\w",
        r"\b[A-Z]:\\Users",
        r"\.pyenv",
        r"/opt/(?:wheels|pypi)",
    ],
)
def test_no_text_names_a_place_on_somebodys_machine(pattern):
    holders = [name for name, text in texts().items() if re.search(pattern, text)]
    assert holders == []


def test_the_commands_of_the_readme_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = set(re.findall(r"\b(?:python3?|py) ((?:scripts|examples)[/\\]\S+\.py)", text))
    assert {"scripts/quickstart.py", "scripts/test.py"} <= commands
    for command in commands:
        assert (ROOT / command.replace("\\", "/")).is_file(), command


def test_the_command_line_is_declared_and_answers():
    assert project()["project"]["scripts"] == {"nnlite": "nnlite.cli:main"}
    done = subprocess.run(
        [sys.executable, "-m", "nnlite", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout


def names_of(requirements):
    return {re.match(r"[\w-]+", requirement).group() for requirement in requirements}


def test_what_nnlite_imports_is_declared():
    """Beyond the standard library: the dependencies, and an extra's packages in one file each."""
    declared = project()["project"]
    needed = names_of(declared["dependencies"])
    assert needed == {"numpy", "tqdm", "matplotlib", "safetensors"}
    optional = {}
    for extra, requirements in declared["optional-dependencies"].items():
        if extra not in ("bench", "test"):
            optional.update({name: set() for name in names_of(requirements)})
    for path in sorted((ROOT / "nnlite").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module]
            for top in {module.split(".")[0] for module in modules}:
                if top in sys.stdlib_module_names or top in needed or top == "nnlite":
                    continue
                assert top in optional, f"{path}:{node.lineno} imports {top}, not declared"
                optional[top].add(path.name)
    once = {**dict.fromkeys(optional, 1), "scipy": 0}  # numba imports it, to multiply matrices
    assert {name: len(files) for name, files in optional.items()} == once


def test_matplotlib_and_tqdm_stay_out_until_used():
    code = "import sys, nnlite; print(*{'matplotlib', 'tqdm', 'safetensors'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
