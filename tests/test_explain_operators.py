"""Every operator of the table is explained, and what is printed of it is checked."""

import numpy as np
from operators import NNLITE, arrays_of, cotangents, each_case, outputs

import nnlite


def explained(case):
    """The explanation of a weighted sum of what a case computes; None without a gradient."""
    tensors = [nnlite.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays_of(case)]
    with nnlite.explain.recording():
        ys = outputs(case.row.call(NNLITE, *tensors, **case.sample.options))
        ys = [y for y in ys if y.requires_grad]
        vs = cotangents([y.detach().numpy() for y in ys], "v")
        loss = None
        for y, v in zip(ys, vs):
            part = (y * nnlite.tensor(v)).sum()
            loss = part if loss is None else loss + part
    return None if loss is None else nnlite.explain(loss)


@each_case(differentiable=True)
def test_its_lines_are_right(case):
    """And the contributions of a leaf's uses are its gradient."""
    with np.errstate(all="ignore"):
        explanation = explained(case)
        if explanation is None:
            return
        text = str(explanation)
        rules = [rule for step in explanation.steps for rule in step.rules]
    assert max(map(len, text.splitlines())) <= 100
    for rule in rules:
        check = rule.check
        is_finite = np.isfinite(explanation.loss.array) and np.isfinite(rule.gradient).all()
        if case.sample.smooth and is_finite:
            assert check.status == "right", (rule.text, check)
        if np.isfinite(rule.gradient).all() and rule.gradient.size and rule.terms:
            close = np.isclose(rule.total, rule.gradient[rule.index], rtol=1e-9, atol=1e-12)
            assert close or "half" in case.label or "to " in case.label, rule.text
        assert rule.check.mark in text
        assert rule.right
    for leaf in explanation.leaves:
        total = sum(addend.array for addend in leaf.addends)
        np.testing.assert_allclose(total, leaf.value.gradient, rtol=1e-12, atol=1e-12)
