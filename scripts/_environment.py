"""The environment that quickstart.py and test.py run in: found, made or repaired, and filled.

Standard library only, since this runs before anything is installed. An active environment is used
as it is. Otherwise `.venv` in the repository root is made, or used again; one that these scripts
made is replaced when it is broken, one that somebody else made is never deleted.
"""

import hashlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 10)
# PEP 660: the first pip that installs a project without setup.py so that edits take effect at once.
OLDEST_PIP = (21, 3)
# What installation depends on: a change in one of these installs again.
SOURCES = ("pyproject.toml", "nnlite/version.py")
RECORD = "nnlite-setup.json"
INTERRUPTED = 130

# Asked of an environment's Python, which may be any version: what it is, and what it lacks.
PROBE = """
import json, sys
answer = {"version": list(sys.version_info[:2]), "prefix": sys.prefix, "pip": None, "missing": []}
try:
    import pip
    answer["pip"] = pip.__version__
except ImportError:
    pass
if sys.version_info >= (3, 10):
    import re
    from importlib import metadata
    extras = sys.argv[1:]
    try:
        requirements = metadata.requires("nnlite") or []
    except metadata.PackageNotFoundError:
        requirements = []
        answer["missing"].append("nnlite")
    for requirement in requirements:
        specifier, _, marker = requirement.partition(";")
        extra = re.fullmatch(r"\\s*extra\\s*==\\s*['\\"]([^'\\"]+)['\\"]\\s*", marker)
        if marker and (extra is None or extra.group(1) not in extras):
            continue
        name = re.match(r"[\\w.-]+", specifier).group()
        try:
            metadata.distribution(name)
        except metadata.PackageNotFoundError:
            answer["missing"].append(name)
print(json.dumps(answer))
"""

NO_VENV = """\
This Python cannot make virtual environments: its module {module} is missing or disabled.
Install it and run this again:
    Debian, Ubuntu:  sudo apt install python3-venv
                     (for a Python that is not the system's own: python{version}-venv)
    elsewhere:       a complete Python from your system's packages or from https://www.python.org
Or activate an environment of your own (virtualenv, conda, uv) first."""

CURES = (
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError|SSLCertVerificationError",
        "the package index's certificate was not accepted. Where a proxy signs the traffic, name\n"
        "its certificate file:  PIP_CERT=/path/to/certificate.pem",
    ),
    (
        r"ProxyError|Cannot connect to proxy|Tunnel connection failed|407 Proxy",
        "the proxy refused the connection. Check its address and login in HTTPS_PROXY\n"
        "(http://user:password@host:port).",
    ),
    (
        r"NewConnectionError|Failed to establish a new connection|NameResolutionError|"
        r"name resolution|ConnectTimeout|ReadTimeout|Read timed out|connection broken|"
        r"Connection (refused|reset|aborted)|Network is unreachable|from versions: none",
        "the package index could not be reached. Check the network; behind a proxy set\n"
        "HTTPS_PROXY to http://host:port; for an index of your own set PIP_INDEX_URL.",
    ),
    (
        r"No space left on device|Errno 28|not enough space",
        "the disk is full. Free some space (about 400 MB are needed).",
    ),
    (
        r"Permission denied|Access is denied|Read-only file system|Errno 13|Errno 30",
        "the environment cannot be written to. Use one that is yours, or deactivate it and let\n"
        "this script make its own.",
    ),
)
OTHER_CURE = "see the last lines above."


class SetupError(Exception):
    """Why the environment cannot be set up, with the cure: the text is for the user to read."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment: its folder, its Python, and whether it is the user's active one."""

    path: Path
    python: Path
    active: bool


@dataclass(frozen=True)
class State:
    """What an environment's Python says of itself."""

    version: tuple[int, ...]
    pip: tuple[int, ...] | None
    missing: tuple[str, ...]


def say(text: str) -> None:
    """Print one step, at once."""
    print(text, flush=True)


def run_main(main: Callable[[list[str]], int]) -> NoReturn:
    """Exit with what ``main(arguments)`` returns; a failed set-up or Ctrl-C ends in plain words."""
    try:
        status = main(sys.argv[1:])
    except SetupError as error:
        sys.stdout.flush()
        print(f"\n{error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("\nStopped. Run the same command to go on.", file=sys.stderr)
        status = INTERRUPTED
    sys.exit(status)


def prepare(extras: Sequence[str] = ()) -> Environment:
    """Return an environment that has this project, its dependencies and ``extras`` installed.

    Raises:
        SetupError: it cannot be made or filled.
    """
    environment = active_environment()
    if environment is None:
        environment = own_environment()
    else:
        say(f"Using the active environment {environment.path}")
    install(environment, extras)
    return environment


def active_environment() -> Environment | None:
    """Return the environment that the user has activated, if it can be used."""
    if sys.prefix != sys.base_prefix:
        return Environment(Path(sys.prefix), Path(sys.executable), active=True)
    if is_conda_environment(sys.prefix):
        return Environment(Path(sys.prefix), Path(sys.executable), active=True)
    # A python3 from elsewhere may come first on the PATH of an active environment, as on Windows,
    # where environments have python.exe alone.
    folder = os.environ.get("VIRTUAL_ENV")
    if not folder:
        return None
    environment = Environment(Path(folder), python_of(Path(folder)), active=True)
    state = probe(environment)
    if state is None:
        say(f"Leaving {folder} alone: VIRTUAL_ENV names it, but its Python does not run.")
        return None
    if state.version < OLDEST_PYTHON:
        say(f"Leaving the active environment {folder} alone: {too_old(state.version)}.")
        return None
    return environment


def is_conda_environment(prefix: str) -> bool:
    """Whether ``prefix`` is an active conda environment, but not conda's own base."""
    active = os.environ.get("CONDA_PREFIX")
    if not active or os.path.realpath(active) != os.path.realpath(prefix):
        return False
    return not os.path.isdir(os.path.join(prefix, "condabin"))


def own_environment() -> Environment:
    """Return the environment in ``.venv``, made or repaired first where that is needed."""
    folder = ROOT / ".venv"
    environment = Environment(folder, python_of(folder), active=False)
    if not os.path.lexists(folder):
        say(f"Making a virtual environment in {shown(folder)} (the system's Python stays as it is)")
        make(environment)
        return environment
    state = probe(environment)
    record = read_record(folder)
    if record.get("made_here"):
        fault = fault_of(environment, state, record)
        if fault:
            say(f"Making the virtual environment in {shown(folder)} anew: {fault}")
            make(environment)
            return environment
    elif state is None:
        raise SetupError(
            f"{folder} is in the way: it is not a virtual environment whose Python runs,\n"
            "and these scripts did not make it. Move or delete it and run this again."
        )
    elif state.version < OLDEST_PYTHON:
        raise SetupError(
            f"The virtual environment {folder} is too old: {too_old(state.version)}.\n"
            "Move or delete it and run this again."
        )
    say(f"Using the virtual environment in {shown(folder)}")
    return environment


def fault_of(
    environment: Environment, state: State | None, record: Mapping[str, Any]
) -> str | None:
    """Say why an environment that these scripts made cannot be used, or return None."""
    if not record.get("complete"):
        return "its making was interrupted"
    if record.get("installing"):
        return "an installation into it was interrupted"
    if record.get("location") != os.path.realpath(environment.path):
        return "its folder was moved"
    if state is None:
        return "its Python no longer runs"
    if state.version != sys.version_info[:2]:
        return f"it has Python {dotted(state.version)}, this is {dotted(sys.version_info[:2])}"
    return None


def make(environment: Environment) -> None:
    """Make the environment, in place of what these scripts left there before.

    The record goes in first: whatever interrupts this, the next run knows whose half-made folder
    it finds.
    """
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise SetupError(no_venv(module))
    folder = environment.path
    record = {"made_here": True, "location": os.path.realpath(folder)}
    try:
        folder.mkdir(exist_ok=True)
        write_record(folder, record)
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != RECORD:
                entry.unlink()
    except OSError as error:
        raise SetupError(
            f"{folder} cannot be made: {error}\n"
            "Copy the repository to a folder where you may write, or activate an environment first."
        ) from error
    # Without pip at first: venv would hide what ensurepip says when that fails.
    command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    status, output = run_quietly(command, plain_variables())
    if status != 0:
        raise SetupError(f"{output}\n{shlex.join(command)} failed: {cure_of(output)}")
    add_pip(environment)
    write_record(folder, {**record, "complete": True})


def add_pip(environment: Environment) -> None:
    """Install the pip that comes with the environment's Python into it."""
    command = [str(environment.python), "-m", "ensurepip", "--upgrade", "--default-pip"]
    status, output = run_quietly(command, variables_of(environment))
    if status == 0:
        return
    # Debian has an ensurepip that can be found and yet does not work.
    if re.search("no module named|not available|disabled", output, re.IGNORECASE):
        raise SetupError(f"{output}\n{no_venv('ensurepip')}")
    raise SetupError(f"{output}\n{shlex.join(command)} failed: {cure_of(output)}")


def no_venv(module: str) -> str:
    """Say that this Python lacks ``module``, and what to install."""
    return NO_VENV.format(module=module, version=dotted(sys.version_info[:2]))


def install(environment: Environment, extras: Sequence[str]) -> None:
    """Install the project with ``extras``, unless that was done and nothing changed since.

    The installation is editable: the environment sees every later change of the code.
    """
    record = read_record(environment.path)
    key = installation_key(environment.path)
    # What an earlier run asked for stays current too.
    extras = sorted({*extras, *record.get("extras", ())})
    record.pop("installing", None)
    state = probe(environment, extras)
    if state is None:
        raise SetupError(f"{environment.python} does not run.")
    done = record.get("key") == key and record.get("extras") == extras
    if done and not state.missing:
        say("Everything is installed already")
        return
    for name in ("key", "extras"):
        record.pop(name, None)
    write_record(environment.path, {**record, "installing": True})
    try:
        ensure_pip(environment, state)
        say("Installing nnlite and what it needs (this takes a minute, and needs the network)")
        pip_install(environment, "--editable", f".[{','.join(extras)}]" if extras else ".")
    except SetupError:
        # pip ended by itself, so that no package is left half installed.
        write_record(environment.path, record)
        raise
    write_record(environment.path, {**record, "key": key, "extras": extras})


def installation_key(folder: Path) -> str:
    """Return a digest of all that makes an earlier installation into ``folder`` still good."""
    digest = hashlib.sha256(f"{ROOT}\n{os.path.realpath(folder)}\n".encode())
    for name in SOURCES:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def ensure_pip(environment: Environment, state: State) -> None:
    """See to it that the environment has a pip that can do editable installation."""
    if state.pip is None:
        say("Adding pip, which the environment lacks")
        add_pip(environment)
        state = probe(environment) or state
    if state.pip is None or state.pip < OLDEST_PIP:
        say("Updating pip, which is too old to install this project")
        pip_install(environment, "--upgrade", "pip")


def pip_install(environment: Environment, *arguments: str) -> None:
    """Run ``pip install``, and show what it printed only when it fails."""
    command = [str(environment.python), "-m", "pip", "install", "--no-input", "--progress-bar=off"]
    status, output = run_quietly([*command, *arguments], variables_of(environment))
    if status != 0:
        raise SetupError(f"{output}\nThe installation failed: {cure_of(output)}")


def cure_of(output: str) -> str:
    """Return what to do about what pip printed."""
    for pattern, cure in CURES:
        if re.search(pattern, output, re.IGNORECASE):
            return cure
    return OTHER_CURE


def probe(environment: Environment, extras: Sequence[str] = ()) -> State | None:
    """Ask the environment's Python what it is; None where it does not run."""
    command = [str(environment.python), "-c", PROBE, *extras]
    try:
        status, output = run_quietly(command, variables_of(environment))
    except SetupError:
        return None
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if status != 0 or not lines:
        return None
    answer = json.loads(lines[-1])
    # The Python of a half-made environment takes itself for the one that it was made from.
    if not os.path.samefile(environment.path, answer["prefix"]):
        return None
    pip = answer["pip"]
    return State(
        version=tuple(answer["version"]),
        pip=None if pip is None else tuple(int(part) for part in re.findall(r"\d+", pip)[:2]),
        missing=tuple(answer["missing"]),
    )


def read_record(folder: Path) -> dict[str, Any]:
    """Return what these scripts noted in an environment; empty where there is no such note."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Note in an environment what these scripts did to it, in one step."""
    temporary = folder / f"{RECORD}.tmp"
    try:
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        temporary.replace(folder / RECORD)
    except OSError as error:
        raise SetupError(f"Writing into {folder} failed: {error}\n{cure_of(str(error))}") from error


def run(environment: Environment, command: Sequence[str], *, cwd: Path = ROOT) -> int:
    """Run the environment's Python with ``command``, its output shown; return its exit status."""
    return wait(
        subprocess.Popen(
            [str(environment.python), *command], cwd=cwd, env=variables_of(environment)
        )
    )


def ask(environment: Environment, command: Sequence[str]) -> str:
    """Run the environment's Python with ``command``; return what it printed."""
    _, output = run_quietly([str(environment.python), *command], variables_of(environment))
    return output


def wait(process: "subprocess.Popen[Any]") -> int:
    """Wait for ``process``; on Ctrl-C, which reaches it too, let it end first."""
    try:
        return process.wait()
    except KeyboardInterrupt:
        end(process)
        raise


def end(process: "subprocess.Popen[Any]") -> None:
    """Give a process that got Ctrl-C the time to clean up."""
    try:
        process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()


def run_quietly(command: Sequence[str], variables: Mapping[str, str]) -> tuple[int, str]:
    """Run ``command`` in the repository root; return its exit status and all that it printed."""
    try:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise SetupError(f"{command[0]} cannot be run: {error}") from error
    with process:
        try:
            output, _ = process.communicate()
        except KeyboardInterrupt:
            end(process)
            raise
    return process.returncode, output.rstrip()


def plain_variables() -> dict[str, str]:
    """Return the variables of this process less those that bend Python or pip elsewhere."""
    variables = dict(os.environ)
    for name in ("PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__"):
        variables.pop(name, None)
    # A user's pip may be set to install beside the environment instead of into it.
    variables["PIP_USER"] = "0"
    variables["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    return variables


def variables_of(environment: Environment) -> dict[str, str]:
    """Return the variables under which the environment's programs run, as if it were active."""
    variables = plain_variables()
    if environment.active and "PYTHONPATH" in os.environ:
        variables["PYTHONPATH"] = os.environ["PYTHONPATH"]
    if not environment.active:
        variables["VIRTUAL_ENV"] = str(environment.path)
    folder = str(environment.python.parent)
    variables["PATH"] = os.pathsep.join([folder, variables.get("PATH", os.defpath)])
    return variables


def python_of(folder: Path) -> Path:
    """Return where an environment in ``folder`` has its Python on this system."""
    if os.name == "nt":
        return folder / "Scripts" / "python.exe"
    return folder / "bin" / "python"


def activation(environment: Environment) -> str | None:
    """Return the command that activates the environment in the user's shell; None if it is."""
    if environment.active:
        return None
    folder = shown(environment.path)
    if os.name == "nt":
        command = os.path.join(folder, "Scripts", "activate")
        return f'"{command}"' if " " in command else command
    shell = os.path.basename(os.environ.get("SHELL", ""))
    suffix = {"fish": ".fish", "csh": ".csh", "tcsh": ".csh"}.get(shell, "")
    word = "source" if shell in ("bash", "zsh") or suffix else "."
    return f"{word} {shlex.quote(os.path.join(folder, 'bin', 'activate' + suffix))}"


def shown(path: Path) -> str:
    """Return ``path`` as seen from where the user is, if it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def dotted(version: Sequence[int]) -> str:
    """Return ``version`` as people write it."""
    return ".".join(map(str, version))


def too_old(version: Sequence[int]) -> str:
    """Say that a Python is too old for nnlite."""
    return f"it has Python {dotted(version)}, nnlite needs {dotted(OLDEST_PYTHON)} or newer"
