"""Curves while training goes on: the text, the place in the terminal, the figure in a notebook."""

from __future__ import annotations

import io
import math
import re
import sys
import types
from typing import Any

import pytest

import nnlite
from nnlite import nn
from nnlite.train import History, LiveCurve, Trainer
from nnlite.train.textplot import TextCurve, text_plot

CODES = re.compile(r"\x1b\[[0-9]*[A-Za-z]")


class Terminal(io.StringIO):
    """A stream that says that it is a terminal, and knows what is on its screen."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self.name_of_encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.name_of_encoding

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        """Carry out the codes that move the cursor and clear lines."""
        lines, row, column = [""], 0, 0
        for part in re.findall(r"\x1b\[[0-9]*[A-Za-z]|.|\n", self.getvalue()):
            if part == "\r":
                column = 0
            elif part == "\n":
                row, column = row + 1, 0
                if row == len(lines):
                    lines.append("")
            elif part == "\x1b[K":
                lines[row] = lines[row][:column]
            elif part.startswith("\x1b"):
                if part.endswith("A"):
                    row -= int(part[2:-1])
                    assert row >= 0
            else:
                lines[row] = lines[row][:column] + part + lines[row][column + 1 :]
                column += 1
        return lines


def falling(epochs: int) -> History:
    return History(
        {"epoch": n, "train_loss": 1 / n, "valid_loss": 1.2 / n, "lr": 0.1}
        for n in range(1, epochs + 1)
    )


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of a known size; no pause between pictures."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "30")
    monkeypatch.setattr("nnlite.train.live._CALM", 0.0)


def test_the_text_of_a_curve() -> None:
    curve = TextCurve("loss", range(9), [8.0, 7, 6, 5, 4, 3, 2, 1, 0])
    assert text_plot([curve], width=12, height=6, braille=False) == [
        "  o loss 0",
        "8|oo",
        " |  oo",
        " |    oooo",
        "0|        oo",
        "  0 epoch  8",
    ]
    dots = text_plot([curve], width=12, height=4)
    assert dots[0] == "  ━ loss 0"
    assert dots[1:] == ["8│⠉⠒⠤⢄⡀", "0│    ⠈⠉⠉⠒⠤⢄", "  0 epoch  8"]


@pytest.mark.parametrize("braille", [True, False])
@pytest.mark.parametrize("width", [8, 20, 72])
@pytest.mark.parametrize(
    "values",
    [
        [1.0],
        [0.0, 0.0],
        [1e-9, 1e9],
        [-1e90, 1e90],
        [math.nan, 2.0, math.inf, 3.0, 1e308, -1e308],
        [-1.0, 5e-324],
    ],
)
def test_any_curve_fits_its_place(values: list[float], width: int, braille: bool) -> None:
    curves = [TextCurve(name, range(len(values)), values) for name in ("train_loss", "valid_loss")]
    for height in (4, 12):
        lines = text_plot(curves, width=width, height=height, braille=braille)
        assert len(lines) == height
        if width >= 20:
            assert max(map(len, lines)) <= width
        signs = set("".join(lines[1:-1]))
        assert signs & (set(map(chr, range(0x2801, 0x2900))) if braille else set("o*"))


def test_scale_and_colours() -> None:
    curve = TextCurve("loss", [1, 2, 3], [1.0, 1e-3, 1e-6])
    lines = text_plot([curve], width=60, height=8, braille=False)
    assert "log scale" in lines[-1]
    places = [line.find("o") for line in lines[1:-1]]
    assert places == sorted(places)  # straight on a log scale
    coloured = text_plot([curve, curve], width=60, height=8, color=True)
    assert "\x1b[34m" in coloured[0]
    assert "\x1b[33m" in coloured[0]
    assert max(len(CODES.sub("", line)) for line in coloured) <= 60
    assert text_plot([TextCurve("loss", [1], [math.nan])], width=40, height=5)[-1] == (
        "no value is a finite number"
    )


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp1252", "nonsense"])
def test_a_picture_stays_in_its_place(encoding: str) -> None:
    stream = Terminal(encoding)
    live = LiveCurve(stream=stream, height=8)
    for epochs in range(1, 6):
        live.show(falling(epochs))
        stream.write(f"the bar {epochs}")
    screen = stream.screen()
    assert len(screen) == 9
    assert "train_loss 0.2" in screen[0]
    assert "valid_loss 0.24" in screen[0]
    assert screen[-2].split() == ["1", "epoch", "5"]
    assert screen[-1] == "the bar 5"
    assert any("⠀" < sign <= "⣿" for line in screen for sign in line) == (encoding == "utf-8")
    if encoding != "nonsense":
        stream.getvalue().encode(encoding)
    live.close()
    live.show(falling(2))  # a further one is below
    assert len(stream.screen()) == 17


def test_no_colour_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, expected in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", value)
        stream = Terminal()
        LiveCurve(stream=stream).show(falling(3))
        assert ("\x1b[34m" in stream.getvalue()) == expected
        assert ("  o train_loss" in stream.screen()[0]) != expected  # told apart by marks then


def test_quiet_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    LiveCurve(stream=stream).show(falling(3))
    assert stream.getvalue() == ""
    monkeypatch.setattr(sys, "stderr", None)
    LiveCurve().show(falling(3))
    terminal = Terminal()
    LiveCurve(stream=terminal).show(History())
    LiveCurve("valid_f1", stream=terminal).show(falling(3))
    monkeypatch.setenv("LINES", "5")
    LiveCurve(stream=terminal).show(falling(3))
    assert terminal.getvalue() == ""


def test_columns_and_pauses() -> None:
    stream = Terminal()
    live = LiveCurve(["lr", "train_loss"], every=3, stream=stream, height=6)
    for epochs in range(1, 6):
        live.show(falling(epochs))
    assert stream.screen()[0].split() == ["━", "lr", "0.1", "━", "train_loss", "0.3333"]
    live.close()
    assert stream.screen()[0].endswith("train_loss 0.2")  # the last one, whatever the pause
    content = stream.getvalue()
    live.close()
    assert stream.getvalue() == content


def test_drawing_has_a_part_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnlite.train.live._CALM", 1e9)
    stream = Terminal()
    live = LiveCurve(stream=stream)
    for epochs in range(1, 50):
        live.show(falling(epochs))
    assert stream.getvalue().count("epoch") == 1
    live.close()
    assert stream.getvalue().count("epoch") == 2


def test_in_the_trainer() -> None:
    stream = Terminal()
    x = nnlite.randn(16, 2)
    model = nn.Linear(2, 1)
    optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1)
    trainer = Trainer(
        model, optimizer, nn.MSELoss(), callbacks=[LiveCurve(stream=stream, height=6)]
    )
    history = trainer.fit((x, x[:, :1]), epochs=4)
    assert f"train_loss {history['train_loss'][-1]:.4g}" in stream.screen()[0]
    assert len(stream.screen()) == 7


class Handle:
    """What IPython gives to update a picture by."""

    def __init__(self) -> None:
        self.shown: list[Any] = []

    def update(self, figure: Any) -> None:
        self.shown.append(figure)


def test_in_a_notebook_the_figure_is_updated(monkeypatch: pytest.MonkeyPatch) -> None:
    handles: list[Handle] = []

    def display(figure: Any, *, display_id: bool) -> Handle:
        assert display_id is True
        handles.append(Handle())
        handles[-1].update(figure)
        return handles[-1]

    shell = types.SimpleNamespace(kernel=object())
    package = types.ModuleType("IPython")
    package.version_info = (9, 0)  # type: ignore[attr-defined]  # matplotlib looks at it
    package.get_ipython = lambda: shell  # type: ignore[attr-defined]
    module = types.ModuleType("IPython.display")
    module.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    live = LiveCurve(["valid_loss", "lr"])
    live.show(falling(2))
    live.show(falling(3))
    live.close()
    live.show(falling(4))
    assert [len(handle.shown) for handle in handles] == [2, 1]
    figure = handles[0].shown[-1]
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Loss", "Learning rate"]
    del shell.kernel  # IPython in a terminal
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    live.show(falling(5))
    assert [len(handle.shown) for handle in handles] == [2, 1]
    assert "train_loss" not in terminal.getvalue()
    assert "valid_loss 0.24" in terminal.getvalue()


@pytest.mark.parametrize(
    ("options", "message"), [({"every": 0}, "every must be 1"), ({"height": 3}, "height must be 4")]
)
def test_wrong_options(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"LiveCurve: {message}"):
        LiveCurve(**options)
