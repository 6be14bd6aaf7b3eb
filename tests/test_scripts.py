"""scripts/quickstart.py and scripts/test.py: how they find, make, repair and fill an environment.

Nothing is installed here and nothing is fetched: `Programs` plays the programs that they start.
"""

import ast
import importlib.util
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
ENTRIES = ["quickstart", "test"]
HERE = list(sys.version_info[:2])


@pytest.fixture
def setup(tmp_path, monkeypatch):
    """The module under test, at work on an empty project, with no environment active."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    module = importlib.import_module("_environment")
    root = tmp_path / "a project"
    (root / "nnlite").mkdir(parents=True)
    (root / "pyproject.toml").write_text("[project]\n")
    (root / "nnlite" / "version.py").write_text('__version__ = "1"\n')
    monkeypatch.setattr(module, "ROOT", root)
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME"):
        monkeypatch.delenv(name, raising=False)
    return module


class Programs:
    """Plays Python, venv, ensurepip and pip, and keeps what was asked of them."""

    def __init__(self, setup):
        self.setup = setup
        self.asked = []
        self.version = HERE
        self.pip = "24.0"
        self.missing = []
        self.results = {}
        self.interrupted = None

    def __call__(self, command, variables):
        if command[1] == "-c":
            return self.probe(Path(command[0]))
        program = command[2]
        self.asked.append(" ".join(command[2:]))
        if program == self.interrupted:
            raise KeyboardInterrupt
        status, output = self.results.get(program, (0, ""))
        if status == 0 and program == "venv":
            python = self.setup.python_of(Path(command[-1]))
            python.parent.mkdir()
            python.write_text("")
            self.version = HERE
        if status == 0 and program == "ensurepip":
            self.pip = "24.0"
        if status == 0 and program == "pip":
            self.missing = []
        return status, output

    def probe(self, python):
        if not python.exists():
            return 1, ""
        answer = {
            "version": self.version,
            "prefix": str(python.parent.parent),
            "pip": self.pip,
            "missing": self.missing,
        }
        return 0, f"a line of some start-up file\n{json.dumps(answer)}\nand another\n"

    def installed(self):
        """What pip was asked to install, last of all its arguments, and forget it."""
        asked = [line.split()[-1] for line in self.asked if line.startswith("pip install")]
        self.asked.clear()
        return asked


@pytest.fixture
def programs(setup, monkeypatch):
    played = Programs(setup)
    monkeypatch.setattr(setup, "run_quietly", played)
    return played


def test_first_run_makes_an_environment_and_the_second_does_nothing(setup, programs, capsys):
    environment = setup.prepare()
    assert environment.path == setup.ROOT / ".venv"
    assert not environment.active
    assert [line.split()[0] for line in programs.asked] == ["venv", "ensurepip", "pip"]
    assert programs.installed() == ["."]
    assert "Making a virtual environment in .venv" in capsys.readouterr().out
    setup.prepare()
    assert programs.asked == []
    assert capsys.readouterr().out.splitlines() == [
        "Using the virtual environment in .venv",
        "Everything is installed already",
    ]


@pytest.mark.parametrize("name", ["pyproject.toml", "nnlite/version.py"])
def test_a_change_of_the_project_installs_again(setup, programs, name):
    setup.prepare()
    programs.installed()
    (setup.ROOT / name).write_text("changed = true\n")
    setup.prepare()
    assert programs.installed() == ["."]


def test_extras_once_asked_for_are_kept(setup, programs):
    setup.prepare()
    programs.installed()
    setup.prepare(["test"])
    assert programs.installed() == [".[test]"]
    setup.prepare()
    assert programs.installed() == []
    (setup.ROOT / "pyproject.toml").write_text("changed = true\n")
    setup.prepare()
    assert programs.installed() == [".[test]"]


def test_a_package_that_went_missing_is_installed_again(setup, programs):
    setup.prepare()
    programs.installed()
    programs.missing = ["numpy"]
    setup.prepare()
    assert programs.installed() == ["."]


def test_a_moved_environment_is_replaced(setup, programs, capsys):
    setup.prepare()
    folder = setup.ROOT / ".venv"
    left_over = folder / "lib" / "left over"
    left_over.mkdir(parents=True)
    setup.write_record(folder, {**setup.read_record(folder), "location": "elsewhere"})
    programs.installed()
    setup.prepare()
    assert "its folder was moved" in capsys.readouterr().out
    assert not left_over.exists()
    assert programs.installed() == ["."]
    setup.prepare()
    assert programs.asked == []


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("venv", "its making was interrupted"),
        ("ensurepip", "its making was interrupted"),
        ("pip", "an installation into it was interrupted"),
    ],
)
def test_an_interrupted_run_is_made_good_by_the_next(setup, programs, capsys, program, said):
    programs.interrupted = program
    with pytest.raises(KeyboardInterrupt):
        setup.prepare()
    programs.interrupted = None
    programs.installed()
    setup.prepare()
    assert said in capsys.readouterr().out
    assert programs.installed() == ["."]


def test_an_environment_of_another_python_is_replaced(setup, programs, capsys):
    setup.prepare()
    programs.version = [3, 9]
    setup.prepare()
    assert "anew: it has Python 3.9, this is" in capsys.readouterr().out


def test_an_environment_whose_python_is_gone_is_replaced(setup, programs, capsys):
    environment = setup.prepare()
    environment.python.unlink()
    setup.prepare()
    assert "anew: its Python no longer runs" in capsys.readouterr().out
    assert environment.python.exists()


def test_a_folder_that_somebody_else_made_is_never_deleted(setup, programs):
    notes = setup.ROOT / ".venv" / "notes.txt"
    notes.parent.mkdir()
    notes.write_text("mine")
    with pytest.raises(setup.SetupError, match="is in the way"):
        setup.prepare()
    assert notes.read_text() == "mine"
    assert programs.asked == []


def test_a_working_environment_that_somebody_else_made_is_used(setup, programs):
    python = setup.python_of(setup.ROOT / ".venv")
    python.parent.mkdir(parents=True)
    python.write_text("")
    programs.version = [3, 99]
    setup.prepare()
    assert programs.installed() == ["."]
    setup.prepare()
    assert programs.asked == []


def test_an_environment_of_somebody_else_that_is_too_old_is_refused(setup, programs):
    python = setup.python_of(setup.ROOT / ".venv")
    python.parent.mkdir(parents=True)
    python.write_text("")
    programs.version = [3, 9]
    with pytest.raises(setup.SetupError, match=r"has Python 3\.9, nnlite needs 3\.10 or newer"):
        setup.prepare()


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_without_venv_or_ensurepip_it_says_what_to_install(
    setup, programs, monkeypatch, capsys, module
):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == module else find_spec(name)
    )
    with pytest.raises(SystemExit) as exit:
        setup.run_main(lambda arguments: setup.prepare())
    assert exit.value.code == 2
    said = capsys.readouterr().err
    assert f"its module {module} is missing" in said
    assert "sudo apt install python3-venv" in said
    assert not (setup.ROOT / ".venv").exists()


def test_an_ensurepip_that_is_disabled_counts_as_missing(setup, programs):
    programs.results["ensurepip"] = (1, "ensurepip is disabled in Debian/Ubuntu")
    with pytest.raises(setup.SetupError, match="sudo apt install python3-venv"):
        setup.prepare()
    programs.results.clear()
    setup.prepare()
    assert programs.installed() == ["."]


@pytest.mark.parametrize(
    ("output", "cure"),
    [
        ("NewConnectionError: [Errno -3] Temporary failure in name resolution", "HTTPS_PROXY"),
        ("No matching distribution: numpy (from versions: none)", "could not be reached"),
        ("ProxyError('Cannot connect to proxy.')", "proxy refused"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate", "PIP_CERT"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("Fatal Python error", "see the last lines above"),
    ],
)
def test_a_failed_installation_shows_the_output_and_the_cure(setup, programs, capsys, output, cure):
    programs.results["pip"] = (1, output)
    with pytest.raises(setup.SetupError) as error:
        setup.prepare()
    assert output in str(error.value)
    assert cure in str(error.value)
    programs.results.clear()
    programs.asked.clear()
    setup.prepare()
    assert "Using the virtual environment in .venv" in capsys.readouterr().out
    assert programs.installed() == ["."]


def test_pip_is_added_or_updated_where_needed(setup, programs):
    environment = setup.prepare()
    programs.installed()
    programs.pip = "21.2.4"
    setup.install(environment, ["test"])
    assert programs.installed() == ["pip", ".[test]"]
    programs.pip = None
    setup.install(environment, ["bench"])
    assert programs.asked[0].startswith("ensurepip")
    assert programs.installed() == [".[bench,test]"]


def test_the_environment_of_the_running_python_is_used(setup, programs, monkeypatch, tmp_path):
    python = setup.python_of(tmp_path / "env")
    python.parent.mkdir(parents=True)
    python.write_text("")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "env"))
    monkeypatch.setattr(sys, "executable", str(python))
    environment = setup.prepare()
    assert (environment.path, environment.active) == (tmp_path / "env", True)
    assert programs.installed() == ["."]
    assert not (setup.ROOT / ".venv").exists()
    assert setup.activation(environment) is None


@pytest.mark.parametrize(("version", "used"), [(HERE, True), ([3, 9], False)])
def test_virtual_env_is_used_if_its_python_will_do(
    setup, programs, monkeypatch, tmp_path, version, used
):
    python = setup.python_of(tmp_path / "env")
    python.parent.mkdir(parents=True)
    python.write_text("")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "env"))
    programs.version = version
    assert setup.prepare().active is used


def test_virtual_env_that_does_not_exist_is_left_alone(setup, programs, monkeypatch, capsys):
    monkeypatch.setenv("VIRTUAL_ENV", "nowhere")
    assert not setup.prepare().active
    assert "Leaving nowhere alone" in capsys.readouterr().out


def test_a_conda_environment_is_used_unless_it_is_the_base(setup, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    assert setup.active_environment() is None
    monkeypatch.setenv("CONDA_PREFIX", str(tmp_path))
    assert setup.active_environment() == setup.Environment(
        tmp_path, Path(sys.executable), active=True
    )
    (tmp_path / "condabin").mkdir()
    assert setup.active_environment() is None


def test_programs_run_as_if_the_environment_were_active(setup, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    monkeypatch.setenv("PYTHONHOME", "elsewhere")
    monkeypatch.setenv("PIP_USER", "1")
    folder = setup.ROOT / ".venv"
    python = setup.python_of(folder)
    own = setup.variables_of(setup.Environment(folder, python, active=False))
    assert "PYTHONPATH" not in own
    assert "PYTHONHOME" not in own
    assert own["PIP_USER"] == "0"
    assert own["VIRTUAL_ENV"] == str(folder)
    assert own["PATH"].split(os.pathsep)[0] == str(python.parent)
    active = setup.variables_of(setup.Environment(folder, python, active=True))
    assert active["PYTHONPATH"] == "elsewhere"


@pytest.mark.skipif(os.name == "nt", reason="POSIX shells")
@pytest.mark.parametrize(
    ("shell", "command"),
    [
        ("/bin/bash", "source .venv/bin/activate"),
        ("/usr/bin/fish", "source .venv/bin/activate.fish"),
        ("/bin/sh", ". .venv/bin/activate"),
    ],
)
def test_the_activation_command_fits_the_shell_and_the_place(setup, monkeypatch, shell, command):
    folder = setup.ROOT / ".venv"
    environment = setup.Environment(folder, setup.python_of(folder), active=False)
    monkeypatch.setenv("SHELL", shell)
    assert setup.activation(environment) == command
    monkeypatch.chdir("/")
    assert "'" in setup.activation(environment)


def test_the_probe_knows_a_real_environment_from_a_half_made_one(setup, tmp_path):
    folder = tmp_path / "real env"
    venv.create(folder, symlinks=os.name != "nt")
    environment = setup.Environment(folder, setup.python_of(folder), active=False)
    state = setup.probe(environment)
    assert list(state.version) == HERE
    assert state.pip is None
    assert state.missing == ("nnlite",)
    (folder / "pyvenv.cfg").unlink()
    assert setup.probe(environment) is None


def test_the_probe_names_the_packages_that_are_missing(setup, tmp_path):
    folder = tmp_path / "env"
    venv.create(folder, symlinks=os.name != "nt")
    environment = setup.Environment(folder, setup.python_of(folder), active=False)
    library = folder / "Lib" if os.name == "nt" else next((folder / "lib").glob("python*"))
    metadata = library / "site-packages" / "nnlite-1.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(
        "Metadata-Version: 2.4\nName: nnlite\nVersion: 1\n"
        "Requires-Dist: alpha-one>=2.0\n"
        "Requires-Dist: beta; extra == 'test'\n"
        "Requires-Dist: gamma; extra == 'bench'\n"
        "Requires-Dist: delta; python_version < '3'\n"
    )
    assert setup.probe(environment).missing == ("alpha-one",)
    assert setup.probe(environment, ["test"]).missing == ("alpha-one", "beta")


def test_a_record_that_cannot_be_read_counts_as_none(setup, tmp_path):
    assert setup.read_record(tmp_path / "nowhere") == {}
    for text in ("{half", "[]"):
        (tmp_path / setup.RECORD).write_text(text)
        assert setup.read_record(tmp_path) == {}


def test_ctrl_c_ends_in_one_line(setup, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as exit:
        setup.run_main(interrupted)
    assert exit.value.code == 130
    assert capsys.readouterr().err == "\nStopped. Run the same command to go on.\n"


@pytest.mark.parametrize("name", ENTRIES)
def test_an_old_python_is_told_so(name):
    code = (
        "import runpy, sys\n"
        "sys.version_info = (3, 9, 1)\n"
        "runpy.run_path(sys.argv[1], run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(SCRIPTS / f"{name}.py")], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "nnlite needs Python 3.10 or newer; this is Python 3.9" in done.stderr
    assert f"scripts/{name}.py" in done.stderr


@pytest.mark.parametrize("name", ENTRIES)
def test_an_old_python_can_read_the_file(name):
    source = (SCRIPTS / f"{name}.py").read_bytes()
    for node in ast.walk(ast.parse(source.decode("ascii"))):
        assert not isinstance(node, ast.JoinedStr | ast.AnnAssign | ast.NamedExpr | ast.Starred)
        assert getattr(node, "annotation", None) is None
        assert getattr(node, "returns", None) is None


@pytest.mark.parametrize("name", ENTRIES)
def test_help_says_what_the_command_does(name):
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / f"{name}.py"), "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert f"python3 scripts/{name}.py" in done.stdout
    assert ".venv" in done.stdout


@pytest.fixture
def script(request, setup, monkeypatch):
    """One of the two scripts, its environment ready; `ran` lists what it runs, `status` its end."""
    # By path: `test` is also the name of a package of the standard library.
    path = SCRIPTS / f"{request.param}.py"
    spec = importlib.util.spec_from_file_location(f"script_{request.param}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ran = []
    module.status = {}
    folder = setup.ROOT / ".venv"
    environment = setup.Environment(folder, setup.python_of(folder), active=False)
    monkeypatch.setattr(module, "ROOT", setup.ROOT)
    monkeypatch.setattr(setup, "prepare", lambda extras=(): environment)

    def run(environment, command):
        module.ran.append(command)
        return module.status.get(command[1], 0)

    monkeypatch.setattr(setup, "run", run)
    monkeypatch.setattr(setup, "ask", lambda environment, command: "2.4.6")
    return module


@pytest.mark.parametrize("script", ["test"], indirect=True)
def test_the_test_command_checks_and_tests(script, capsys):
    assert script.main([]) == 0
    assert [command[1] for command in script.ran] == ["ruff", "mypy", "pytest"]


@pytest.mark.parametrize("script", ["test"], indirect=True)
def test_the_test_command_fails_if_any_part_fails(script, capsys):
    script.status = {"mypy": 1}
    assert script.main([]) == 1
    assert script.ran[-1][1] == "pytest"
    assert "Failed: mypy" in capsys.readouterr().err
    script.status = {"pytest": 5}
    assert script.main([]) == 5


@pytest.mark.parametrize("script", ["test"], indirect=True)
def test_mypy_is_left_out_beside_a_numpy_that_it_was_not_tried_with(
    script, setup, monkeypatch, capsys
):
    monkeypatch.setattr(setup, "ask", lambda environment, command: "2.2.6")
    assert script.main([]) == 0
    assert [command[1] for command in script.ran] == ["ruff", "pytest"]
    assert "Not checking with mypy" in capsys.readouterr().out


def test_the_version_of_numpy_is_asked_of_the_environment(setup):
    environment = setup.Environment(Path(sys.prefix), Path(sys.executable), active=True)
    assert setup.ask(environment, ["-c", "print('2.4.6')"]) == "2.4.6"


@pytest.mark.parametrize("script", ["test"], indirect=True)
def test_arguments_go_to_pytest_alone(script, setup, monkeypatch):
    (setup.ROOT / "test_here.py").write_text("")
    arguments = ["-k", "nnlite", "test_here.py::test_one", "test_not_here.py"]
    script.main(arguments)
    assert script.ran == [["-m", "pytest", *arguments]]
    script.ran.clear()
    monkeypatch.setattr(script, "ROOT", setup.ROOT.parent)
    script.main(arguments)
    arguments[2] = str(setup.ROOT / arguments[2])
    assert script.ran == [["-m", "pytest", *arguments]]


@pytest.mark.parametrize("script", ["quickstart"], indirect=True)
def test_the_quickstart_ends_with_what_to_look_at(script, setup, capsys):
    results = setup.ROOT / "runs" / "breast_cancer"
    results.mkdir(parents=True)
    (results / "loss.png").write_text("")
    assert script.main([]) == 0
    assert script.ran[0][-1] == str(setup.ROOT / "examples" / "breast_cancer.py")
    said = capsys.readouterr().out
    assert os.path.join("runs", "breast_cancer", "loss.png") in said
    assert "activate" in said
    assert "nnlite train your.csv" in said


@pytest.mark.parametrize("script", ["quickstart"], indirect=True)
def test_the_quickstart_passes_on_that_the_example_failed(script, capsys):
    script.status = {script.RUN_FILE: 3}
    assert script.main([]) == 3
    said = capsys.readouterr()
    assert "example failed" in said.err
    assert "What to look at" not in said.out


def test_the_example_runs_as_a_program_and_ctrl_c_leaves_no_traceback(setup, tmp_path):
    spec = importlib.util.spec_from_file_location("script_quickstart", SCRIPTS / "quickstart.py")
    quickstart = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(quickstart)
    program = tmp_path / "program.py"
    program.write_text(
        "import sys\nprint(__name__, len(sys.argv), __file__)\nraise KeyboardInterrupt\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", quickstart.RUN_FILE, str(program)], capture_output=True, text=True
    )
    assert done.stdout.split(maxsplit=2) == ["__main__", "1", f"{program}\n"]
    assert done.stderr == ""
    assert done.returncode == 130
