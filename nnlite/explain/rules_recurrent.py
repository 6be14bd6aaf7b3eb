"""Rules of recurrent layers: equations that go from step to step, forward and back.

Each layer's equations are those of its documentation, element by element, with t for the time
step; a value before the first or after the last step counts as 0.
"""

from __future__ import annotations

from nnlite.explain.facts import Facts, Formula, Maker

__all__ = ["RECURRENT", "layer_lines"]


class _Layer:
    """The letters of a recurrent layer.

    Attributes:
        t, n, j, k, i, m: indices of the time step, the sample, a unit, another one, an element of
            the input, and a row of the weights.
        size: how many units there are.
        before, after: the time steps before and after t, as the layer reads its input.
        first: the time step that it begins with.
    """

    def __init__(self, f: Facts, reverse: bool) -> None:
        steps = f.shape(0)[0]
        self.f = f
        self.size = f.shape(1)[-1]
        self.t, self.n, self.j, self.k, self.i, self.m = f.letters(6)
        back, on = f"{self.t} - 1", f"{self.t} + 1"
        self.before, self.after = (on, back) if reverse else (back, on)
        self.first = str(steps - 1 if reverse else 0)
        self.has_bias = f.has(_BIAS[type(f.step._node).__name__])
        self.states = f.own("s")

    def unit(self, letter: str, at: str = "", by: int = 0) -> str:
        """An element of a value: of this time step, and of its own unit."""
        place = f"{self.j} + {by}" if by else self.j
        return f"{letter}[{at or self.t}, {self.n}, {place}]"

    def each(self, letter: str) -> str:
        """The left side of an equation: an element of each unit."""
        return f"{letter}[{self.t}, {self.n}, {self.j}<{self.size}]"

    def previous(self, unit: str = "", state: str = "h", states: str = "") -> str:
        """The state before this step: that of the step before, or the one it began with."""
        unit = unit or self.j
        before = f"{states or self.states}[{self.before}, {self.n}, {unit}]"
        return f"({before} + {state}[{self.n}, {unit}] [{self.t} = {self.first}])"

    def arrives(self, which: int = 0) -> str:
        """The gradient of an output at this unit; empty where none arrives."""
        if which not in self.f.step.outputs:
            return ""
        return f"{self.unit(self.f.step.gradient_letter(which))} + "

    def of_input(self) -> str:
        """``Σ_{i} x[t, n, i] W[m, i]``"""
        return f"Σ_{{{self.i}}} x[{self.t}, {self.n}, {self.i}] W[{self.m}, {self.i}]"

    def of_state(self) -> str:
        """``Σ_{k} h[t - 1, n, k] U[m, k]``"""
        return f"Σ_{{{self.k}}} {self.previous(self.k)} U[{self.m}, {self.k}]"

    def gate(self, rows: str, number: int, at: str = "") -> str:
        """A gate of an LSTM at this unit: the third is the new content."""
        inner = self.unit(rows, at, number * self.size)
        return f"tanh({inner})" if number == 2 else f"σ({inner})"

    def bias(self, letter: str) -> str:
        """The bias of a row; empty without one."""
        return f" + {letter}[{self.m}]" if self.has_bias else ""

    def parts(self, terms: list[str]) -> str:
        """Rows of the weights in blocks, one after the other for each gate."""
        found = []
        for number, term in enumerate(terms):
            low, high = number * self.size, (number + 1) * self.size
            found.append(f"{term.replace('¤', _less(self.m, low))} [{low} ≤ {self.m} < {high}]")
        return " + ".join(found)

    def rule(self, on_input: str, on_state: str, where: list[str]) -> Formula:
        """The rules that all recurrent layers share.

        Args:
            on_input, on_state: the gradients of what the weights of the input and of the state
                have computed.
        """
        f, t, n, m = self.f, self.t, self.n, self.m
        names = f.indices
        if f.role == "x":
            step, sample, own = names
            right = f"Σ_{{{m}}} {on_input}[{step}, {sample}, {m}] W[{m}, {own}]"
        elif f.role == "W":
            row, own = names
            right = f"Σ_{{{t}, {n}}} {on_input}[{t}, {n}, {row}] x[{t}, {n}, {own}]"
        elif f.role == "U":
            row, own = names
            right = f"Σ_{{{t}, {n}}} {on_state}[{t}, {n}, {row}] {self.previous(own)}"
        elif f.role == "b":
            right = f"Σ_{{{t}, {n}}} {on_input}[{t}, {n}, {names[0]}]"
        else:
            right = f"Σ_{{{t}, {n}}} {on_state}[{t}, {n}, {names[0]}]"
        return f.made(right, where)

    def start(self, on_state: str, where: list[str], more: str = "") -> Formula:
        """The rule of the state that a layer begins with."""
        sample, unit = self.f.indices
        right = f"Σ_{{{self.m}}} {on_state}[{self.first}, {sample}, {self.m}] U[{self.m}, {unit}]"
        return self.f.made(right + more, where)


_BIAS = {"LstmBackward0": 5, "GruBackward0": 4, "RnnBackward0": 4}


def _less(name: str, by: int) -> str:
    return f"{name} - {by}" if by else name


def _rnn_states(f: Facts) -> tuple[_Layer, list[str]]:
    """h[t] = φ(a[t])"""
    reverse, is_relu = f.meta
    layer = _Layer(f, reverse)
    a = f.own("a")
    inner = layer.unit(a)
    return layer, [
        f"{a}[{layer.t}, {layer.n}, {layer.m}] = {layer.of_input()} + {layer.of_state()}"
        f"{layer.bias('b')}{layer.bias('c')}",
        f"{layer.each(layer.states)} = {f'max({inner}, 0)' if is_relu else f'tanh({inner})'}",
    ]


def _rnn(f: Facts) -> Formula:
    """φ′ is 1 - h² for tanh, and [h > 0] for relu."""
    layer, where = _rnn_states(f)
    d = f.own("δ")
    own = layer.unit(layer.states)
    slope = f"[{own} > 0]" if f.meta[1] else f"(1 - {own}²)"
    later = f"Σ_{{{layer.m}}} {d}[{layer.after}, {layer.n}, {layer.m}] U[{layer.m}, {layer.j}]"
    where.append(f"{layer.each(d)} = ({layer.arrives()}{later}) {slope}")
    if f.role == "h":
        return layer.start(d, where)
    return layer.rule(d, d, where)


def _lstm_states(f: Facts) -> tuple[_Layer, str, str, list[str]]:
    """h[t] = o tanh z[t], z[t] = f z[t - 1] + i k, the gates from the rows of a[t]."""
    layer = _Layer(f, bool(f.meta))
    a, z = f.own("a"), f.own("z")
    gates = [layer.gate(a, number) for number in range(4)]
    return (
        layer,
        a,
        z,
        [
            f"{a}[{layer.t}, {layer.n}, {layer.m}] = {layer.of_input()} + {layer.of_state()}"
            f"{layer.bias('b')}{layer.bias('d')}",
            f"{layer.each(z)} = {gates[1]} {layer.previous('', 'c', z)} + {gates[0]} {gates[2]}",
            f"{layer.each(layer.states)} = {gates[3]} tanh({layer.unit(z)})",
        ],
    )


def _lstm(f: Facts) -> Formula:
    layer, a, z, where = _lstm_states(f)
    size, t, n, m = layer.size, layer.t, layer.n, layer.m
    d, of_cell, of_state = (f.own(letter) for letter in "δκη")
    row = f"[{t}, {n}, {m}]"

    def gate(number: int, at: str = "") -> str:
        return layer.gate(a, number, at)

    cell = layer.unit(z)
    later = f"Σ_{{{m}}} {d}[{layer.after}, {n}, {m}] U[{m}, {layer.j}]"
    where += [
        f"{layer.each(of_state)} = {layer.arrives()}{later}",
        f"{layer.each(of_cell)} = {layer.arrives(1)}{gate(3)} (1 - (tanh({cell}))²) "
        f"{layer.unit(of_state)} + {gate(1, layer.after)} {layer.unit(of_cell, layer.after)}",
    ]
    own = f"{a}{row}"

    def at(letter: str) -> str:
        return f"{letter}[{t}, {n}, ¤]"

    before = f"({z}[{layer.before}, {n}, ¤] + c[{n}, ¤] [{t} = {layer.first}])"
    slope = f"σ({own}) (1 - σ({own}))"

    def other(number: int) -> str:
        return f"{a}[{t}, {n}, ¤ + {number * size}]"

    where.append(f"{d}{row} = " + layer.parts([
        f"{at(of_cell)} tanh({other(2)}) {slope}",
        f"{at(of_cell)} {before} {slope}",
        f"{at(of_cell)} σ({at(a)}) (1 - (tanh({own}))²)",
        f"{at(of_state)} tanh({at(z)}) {slope}",
    ]))  # fmt: skip
    if f.role == "h":
        return layer.start(d, where)
    if f.role == "c":
        sample, unit = f.indices
        forget = f"σ({a}[{layer.first}, {sample}, {unit} + {size}])"
        return f.made(f"{forget} {of_cell}[{layer.first}, {sample}, {unit}]", where)
    return layer.rule(d, d, where)


def _gru_gates(layer: _Layer, p: str, q: str, unit: str, at: str = "") -> tuple[str, str, str]:
    """r, z and n of a unit."""
    size = layer.size

    def of(letter: str, by: int) -> str:
        return f"{letter}[{at or layer.t}, {layer.n}, {unit}{f' + {by}' if by else ''}]"

    reset = f"σ({of(p, 0)} + {of(q, 0)})"
    update = f"σ({of(p, size)} + {of(q, size)})"
    return reset, update, f"tanh({of(p, 2 * size)} + {reset} {of(q, 2 * size)})"


def _gru_states(f: Facts, p: str, q: str) -> tuple[_Layer, list[str]]:
    """h[t] = n + z (h[t - 1] - n), n = tanh(p + r q); p from the input, q from the state."""
    layer = _Layer(f, bool(f.meta))
    row = f"[{layer.t}, {layer.n}, {layer.m}]"
    _, kept, now = _gru_gates(layer, p, q, layer.j)
    return layer, [
        f"{p}{row} = {layer.of_input()}{layer.bias('b')}",
        f"{q}{row} = {layer.of_state()}{layer.bias('c')}",
        f"{layer.each(layer.states)} = {now} + {kept} ({layer.previous()} - {now})",
    ]


def _gru(f: Facts) -> Formula:
    p, q, on_p, on_q, of_state = (f.own(letter) for letter in "pqψθη")
    layer, where = _gru_states(f, p, q)
    size, t, n, m = layer.size, layer.t, layer.n, layer.m
    row = f"[{t}, {n}, {m}]"

    def gates(unit: str, at: str = "") -> tuple[str, str, str]:
        return _gru_gates(layer, p, q, unit, at)

    update_after = gates(layer.j, layer.after)[1]
    later = f"Σ_{{{m}}} {on_q}[{layer.after}, {n}, {m}] U[{m}, {layer.j}]"
    where.append(
        f"{layer.each(of_state)} = {layer.arrives()}{later} + "
        f"{update_after} {layer.unit(of_state, layer.after)}"
    )
    reset, update, new = gates("¤")
    eta = f"{of_state}[{t}, {n}, ¤]"
    of_new = f"{eta} (1 - {update}) (1 - ({new})²)"
    memory = f"{q}[{t}, {n}, ¤ + {2 * size}]"
    before = f"({layer.states}[{layer.before}, {n}, ¤] + h[{n}, ¤] [{t} = {layer.first}])"
    both = [
        f"{of_new} {memory} {reset} (1 - {reset})",
        f"{eta} ({before} - {new}) {update} (1 - {update})",
    ]
    where += [
        f"{on_q}{row} = {layer.parts([*both, f'{of_new} {reset}'])}",
        f"{on_p}{row} = {layer.parts([*both, of_new])}",
    ]
    if f.role == "h":
        sample, unit = f.indices
        begun = gates(unit, layer.first)[1].replace(f", {n},", f", {sample},")
        return layer.start(on_q, where, f" + {begun} {of_state}[{layer.first}, {sample}, {unit}]")
    return layer.rule(on_p, on_q, where)


def layer_lines(f: Facts) -> tuple[list[str], list[str]]:
    """The equations of a layer's states, and the letters of its outputs."""
    kind = type(f.step.derivative).__name__
    if kind == "LstmBackward0":
        layer, _, cell, where = _lstm_states(f)
        return where, [layer.states, cell]
    if kind == "GruBackward0":
        layer, where = _gru_states(f, f.own("p"), f.own("q"))
    else:
        layer, where = _rnn_states(f)
    return where, [layer.states]


RECURRENT: dict[str, Maker] = {
    "GruBackward0": _gru,
    "LstmBackward0": _lstm,
    "RnnBackward0": _rnn,
}
