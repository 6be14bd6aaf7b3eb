"""The page of an explanation: as a document, and in a real browser; the picture."""

import base64
import hashlib
import json
import pickle
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import formulas
import matplotlib.image
import numpy as np
import pytest

import nnlite
from nnlite import nn
from nnlite.explain import explain, recording
from nnlite.explain.layout import arrange
from nnlite.explain.mathml import from_text
from nnlite.explain.numbers import number
from nnlite.explain.page_graph import lines_of
from nnlite.explain.quiz import Quiz

VOID = {"meta", "input"}
PALETTE = Path(nnlite.__file__).parent / "explain" / "page.css"


def explained(**options):
    model = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 1))
    x, y = nnlite.randn(5, 3), nnlite.ones(5, 1)
    with recording():
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
    optimizer = nnlite.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return explain(loss, model=model, optimizer=optimizer, names={"x": x, "y": y}, **options)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Linear(width, width)

    def forward(self, x):
        return x + nnlite.tanh(self.inner(x))


def deep(blocks):
    model = nn.Sequential(*[Block(2) for _ in range(blocks)])
    with recording():
        loss = model(nnlite.randn(3, 2)).square().mean()
    return explain(loss, model=model)


class Document(HTMLParser):
    """Reads a page strictly: every element is closed where it was opened, ids are given once."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open = []
        self.ids = []
        self.tags = []
        self.words = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), (tag, names)
        self.tags.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def contained(page, name):
    """The elements of one name in a page, as trees of XML."""
    return [
        ElementTree.fromstring(found)
        for found in re.findall(rf"<{name}[ >].*?</{name}>", page, re.DOTALL)
    ]


@pytest.mark.parametrize("quiz", [False, True])
@pytest.mark.parametrize("make", [explained, lambda quiz: deep(40)], ids=["small", "folded"])
def test_the_page_is_well_formed(make, quiz):
    page = make(quiz=quiz).html()
    assert page.startswith("<!DOCTYPE html>\n")
    document = Document(page)
    assert len(document.ids) == len(set(document.ids))
    assert contained(page, "math")
    [drawing] = contained(page, "svg")
    assert drawing.get("aria-label")
    for tag, attributes in document.tags:
        if tag == "input":
            assert attributes.get("aria-label")
        if attributes.get("role") == "button":
            assert attributes["tabindex"] == "0"
            assert attributes["aria-label"]


def test_the_page_loads_nothing():
    page = explained(quiz=True).html()
    for tag, attributes in Document(page).tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "a", "use")
        assert not {"src", "href", "xlink:href", "srcset", "action", "style"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
    places = set(re.findall(r"https?://[^\s\"'<>)]*", page))
    assert places == {"http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"}
    assert set(re.findall(r"url\(([^)]*)\)", page)) == {"#to-forward", "#to-back"}
    assert "@import" not in page


def test_only_the_pages_own_script_may_run():
    page = explained().html()
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none';")
    assert f"script-src 'sha256-{digest}'" in policy


def test_every_equation_and_its_numbers_are_those_of_the_model():
    explanation = explained()
    page = explanation.html()
    equations = [tree.get("alttext") for tree in contained(page, "math")]
    sections = dict(re.findall(r'<section class="item" id="([\w-]+)"(.*?)</section>', page, re.S))
    assert list(sections) == [
        "start", *(f"step-{i}" for i in range(1, 5)), *(f"leaf-{i}" for i in range(1, 5))
    ]  # fmt: skip
    for step in explanation.steps:
        section = sections[f"step-{step.number}"]
        assert step.forward in equations
        arrays = []
        for value in step.outputs.values():
            arrays += [value.array, value.gradient]
        for rule in step.rules:
            assert rule.text in equations
            arrays.append(rule.gradient)
            assert f"= {number(rule.total)}</p>" in section
            for reason in rule.reasons:
                assert reason in Document(section).text
        shown = [[cell.text for cell in tree.iter("td")] for tree in contained(section, "table")]
        whole = [array for array in arrays if array.ndim]
        assert shown == [[number(float(v)) for v in array.ravel()] for array in whole]
        assert section.count('class="chosen"') == len([r for r in step.rules if r.gradient.ndim])
    for place, leaf in enumerate(explanation.leaves, 1):
        section = Document(sections[f"leaf-{place}"]).text
        assert leaf.value.label in section
        for line in leaf.update.lines:
            texts = dict.fromkeys((line.numbers, number(line.value)))
            assert "".join(f" = {text}" for text in texts) in section


def test_explaining_on_a_page_changes_nothing():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    loss = model(nnlite.ones(3, 2)).sum()
    loss.backward(retain_graph=True)
    before = [p.grad.array.copy() for p in model.parameters()]
    state = pickle.dumps(nnlite.get_rng_state())
    explanation = explain(loss, model=model, quiz=True)
    explanation.html()
    explanation.plot()
    assert pickle.dumps(nnlite.get_rng_state()) == state
    assert all(map(np.array_equal, before, (p.grad.array for p in model.parameters())))


def hostile():
    w = nnlite.tensor([1.0, 2.0], requires_grad=True)
    name = '<script>document.title = "run"</script>'
    with recording():
        loss = (w * w).sum()  # </script><script>document.title = "run"</script>
    return explain(loss, names={name: w}), name


def test_names_and_source_lines_are_text():
    explanation, name = hostile()
    page = explanation.html()
    document = Document(page)
    assert [tag for tag, _ in document.tags].count("script") == 1
    assert name in document.text
    assert 'sum() # </script><script>document.title = "run"</script>' in document.text


def test_a_long_pass_is_folded():
    explanation = deep(300)
    page = explanation.html()
    document = Document(page)
    boxes = [a for _, a in document.tags if (a.get("class") or "").startswith("box ")]
    assert len(explanation.steps) > 900
    assert 0 < len(boxes) < 200
    folds = [a for a in boxes if a["class"] == "box fold"]
    assert folds
    assert {a["data-key"] for a in folds} <= set(document.ids)
    assert len(page) < 4_000_000
    assert "operations that are worked out here" in document.text
    assert "worked out here" not in Document(explained().html()).text


def test_a_fold_that_is_opened_shows_its_operations():
    explanation = deep(40)
    closed = explanation.html()
    name = next(part.name for part in explanation.parts if not hasattr(part, "number"))
    opened = explanation.open(name).html()
    assert opened.count('class="box step"') > closed.count('class="box step"')


def unrolled(uses=4):
    w = nnlite.tensor([[0.5, -1.0], [0.25, 0.75]], requires_grad=True)
    with recording():
        h = nnlite.ones(1, 2)
        for _ in range(uses):
            h = h + nnlite.tanh(h @ w)
        loss = h.sum()
    return explain(loss, names={"W": w})


@pytest.mark.parametrize(
    "make",
    [explained, unrolled, lambda: deep(5), lambda: deep(60)],
    ids=["small", "unrolled", "residual", "folded"],
)
def test_nothing_overlaps_in_the_graph(make):
    drawing = arrange(make(), lines_of)
    boxes = drawing.boxes
    for i, a in enumerate(boxes):
        assert 0 < a.x < a.x + a.width < drawing.width
        assert 0 < a.y < a.y + a.height < drawing.height
        assert a.width >= 7.8 * max(map(len, a.lines))
        for b in boxes[:i]:
            beside = a.x + a.width < b.x or b.x + b.width < a.x
            assert beside or a.y + a.height < b.y or b.y + b.height < a.y, (a.key, b.key)
    for wire in drawing.wires:
        across = [x for x, _ in wire.points]
        assert across == sorted(across), "forward is from left to right"
        for x, y in wire.points[1:-1]:
            assert not [b for b in boxes if b.x < x < b.x + b.width and b.y < y < b.y + b.height]


def test_a_shared_weight_runs_on_one_line():
    drawing = arrange(unrolled(), lines_of)
    lanes = {
        y for wire in drawing.wires if wire.source.kind == "leaf" for _, y in wire.points[1:-1]
    }
    assert len(lanes) == 1


def test_addends_of_a_shared_value_are_shown():
    explanation = unrolled()
    [leaf] = explanation.leaves
    page = explanation.html()
    assert len(leaf.addends) == 4
    for addend in leaf.addends:
        assert from_text(addend.symbol) in page


def test_of_many_addends_the_first_are_shown_and_the_sum_of_the_others():
    explanation = tall(uses=60)
    [leaf] = explanation.leaves
    section = re.search(r'id="leaf-1".*?</section>', explanation.html(), re.DOTALL)[0]
    text = Document(f"<section {section}").text
    assert "It was used 60 times, so its gradient is a sum:" in text
    assert section.count(" via ") < 30
    rest = np.sum([addend.array for addend in leaf.addends[24:]], axis=0)
    assert f"and the sum of 36 others = {' '.join(number(v) for v in rest.tolist())}" in text


def test_what_small_parts_leave_is_worked_out_of_large_ones():
    lesson = deep(40)
    assert any(hasattr(part, "steps") for part in lesson.parts)
    page = lesson.html()
    assert len(lesson.steps) < 300
    assert "not worked out here" not in page
    assert page.count('id="step-') == len(lesson.steps)
    lesson = deep(300)
    fold = max(lesson.parts, key=lambda part: len(getattr(part, "steps", [])))
    page = lesson.html()
    assert 250 < page.count('id="step-') <= 300
    assert f"explanation.open({fold.name!r}) unfolds them" in Document(page).text


def test_letters_of_constants_are_said_and_sums_and_updates_are_marked():
    x = nnlite.tensor([-2.0, 1.0], requires_grad=True)
    with recording():
        loss = (nn.functional.leaky_relu(x, 0.25) * x).sum()
    lesson = explain(loss, names={"x": x}, optimizer=nnlite.optim.SGD([x], lr=0.5))
    [step] = [step for step in lesson.steps if step.constants]
    [leaf] = lesson.leaves
    [given] = [f"with {letter} = 0.25" for letter in step.constants]
    text = Document(lesson.html()).text
    assert given in text
    assert "with η = 0.5" in text
    assert "✓ It was used 2 times" in text
    leaf.addends[0].array = leaf.addends[0].array + 1
    leaf.update.mark = "✗"
    text = Document(lesson.html()).text
    assert "✗ It was used 2 times" in text
    assert "✗ x[" in text


def test_of_one_part_so_many_operations_are_listed_as_one_can_read():
    lesson = unrolled(uses=200)
    assert len(lesson.steps) > 500
    assert 120 < lesson.html().count('id="step-') < 140


def test_a_kink_is_said_in_words_and_a_hook_is_said_at_its_leaf():
    x = nnlite.tensor([0.0, 1.0], requires_grad=True)
    hook = x.register_hook(lambda g: g)
    page = Document(explain(nnlite.relu(x).sum(), names={"x": x}).html()).text
    hook.remove()
    assert "1 right, 1 at a kink (no derivative exists there: a convention)." in page
    assert page.count("A hook that may change this gradient was not called.") == 1


def test_a_shape_is_said_once():
    model = nn.Linear(40, 3)
    with recording():
        loss = model(nnlite.ones(2, 40)).sum()
    page = Document(explain(loss, model=model).html()).text
    assert re.search(r"= \(3, 40\), from \S+ to \S+, norm \S+ weight float32, requires", page)


def test_a_part_that_is_opened_stays_readable():
    lesson = deep(600)
    fold = max(lesson.parts, key=lambda part: len(getattr(part, "steps", [])))
    opened = lesson.open(fold.name)
    assert 30 < len(opened.parts) <= 60
    page = opened.html()
    assert len(page) < 4_000_000
    assert Document(page).text.count(opened.parts[1].title) == 3
    again = opened.open(opened.parts[1].name)
    assert len(opened.parts) < len(again.parts) < 100


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "NAdam", "RAdam"])
def test_updates_are_typeset(name):
    w = nnlite.ones(2, requires_grad=True)
    loss = (w * w).sum()
    optimizer = getattr(nnlite.optim, name)([w], lr=0.1)
    lesson = explain(loss, optimizer=optimizer)
    page = lesson.html()
    [leaf] = lesson.leaves
    assert leaf.update.lines
    for line in leaf.update.lines:
        assert from_text(line.formula) in page


def test_arrays_of_three_dimensions_are_shown_by_their_slices():
    x = nnlite.randn(2, 3, 4).requires_grad_()
    page = explain((x * x).sum(), names={"x": x}).html()
    start = re.search(r'<section class="item" id="start".*?</section>', page, re.DOTALL)[0]
    shown = [[cell.text for cell in tree.iter("td")] for tree in contained(start, "table")]
    assert shown == [[number(float(v)) for v in part.ravel()] for part in x.numpy(force=True)]
    assert page.count("[1]") >= 2
    assert page.count('class="chosen"') == len(explain((x * x).sum()).steps) + 1


def test_in_a_notebook_the_page_has_a_frame_of_its_own():
    explanation = explained()
    [(tag, attributes)] = Document(explanation._repr_html_()).tags
    assert tag == "iframe"
    assert attributes["srcdoc"] == explanation.html()
    assert attributes["title"]


def test_files(tmp_path):
    explanation = explained()
    for name in ("page.html", "text.txt", "text.md", "graph.dot", "graph.png", "graph.svg"):
        explanation.save(tmp_path / name)
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == explanation.html()
    assert (tmp_path / "text.txt").read_text(encoding="utf-8") == f"{explanation}\n"
    assert (tmp_path / "text.md").read_text(encoding="utf-8").strip() == (
        explanation.markdown().strip()
    )
    assert (tmp_path / "graph.dot").read_text(encoding="utf-8").strip() == explanation.dot().strip()
    assert matplotlib.image.imread(tmp_path / "graph.png").shape[1] > 1000
    with pytest.raises(ValueError, match=r"explanation.save: path is .*page.pdf.*\.html"):
        explanation.save(tmp_path / "page.pdf")
    with pytest.raises(ValueError, match=r"explanation.plot: path is .*\.png or \.svg"):
        explanation.plot(tmp_path / "page.html")
    assert len(list(tmp_path.iterdir())) == 6


def test_a_picture_names_a_font_that_every_reader_has(tmp_path):
    explained().plot(tmp_path / "graph.svg")
    drawn = (tmp_path / "graph.svg").read_text(encoding="utf-8")
    fonts = re.findall(r"font-family: ([^;\"]*)", drawn)
    assert fonts
    assert all(font.endswith(", monospace") for font in fonts)


def test_the_picture_holds_the_values_and_gradients(tmp_path):
    explanation = explained()
    explanation.plot(tmp_path / "graph.svg")
    drawn = (tmp_path / "graph.svg").read_text(encoding="utf-8")
    words = "".join(ElementTree.fromstring(drawn).itertext())
    for step in explanation.steps:
        assert f"{step.number}. {step.name}" in words
        gradient = step.output.gradient
        if gradient.size > 3:
            least, most = (float(f"{end:.3g}") for end in (gradient.min(), gradient.max()))
            assert f"∂L/∂{step.output.symbol} = {number(least)} … {number(most)}" in words
    for leaf in explanation.leaves:
        assert leaf.value.name in words
    explanation.plot(tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text(encoding="utf-8") == drawn


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_all_text_stands_out_from_its_ground(scheme):
    """The ratio that WCAG 2 asks for, 4.5 to 1, whatever the colour is used for."""
    roots = re.findall(r":root \{(.*?)\}", PALETTE.read_text(encoding="utf-8"), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): #(\w{6});", roots[scheme]))

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for front in ("ink", "faint", "forward", "back", "right", "wrong"):
        for ground in ("paper", "card", *["back-soft"] * (front in ("ink", "back"))):
            light, dark = sorted(
                (luminance(colours[front]), luminance(colours[ground])), reverse=True
            )
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (front, ground)


# ---- in a browser


@pytest.fixture
def opened(chromium, tmp_path):
    """Opens a page from disk; in the end the console must be empty, and no network asked."""

    def show(page, fragment="", **look):
        path = tmp_path / "page.html"
        path.write_text(page, encoding="utf-8")
        chromium.look(**look)
        chromium.log()
        chromium.requests()
        chromium.open(path, fragment)
        return chromium

    yield show
    assert chromium.log() == []
    asked = chromium.requests()
    assert asked
    assert all(address.startswith(("file:", "about:", "data:")) for address in asked), asked


def shown(browser):
    """The section that is to be seen; there is one."""
    [key] = browser.run(
        "return [...document.querySelectorAll('.item')]"
        ".filter((item) => item.checkVisibility()).map((item) => item.id)"
    )
    return key


def flowing(browser):
    """From where to where gradients flow now."""
    return browser.run(
        "return [...document.querySelectorAll('.wire.back.now')]"
        ".map((wire) => [wire.dataset.target, wire.dataset.source])"
    )


def done(browser):
    """Where gradients have arrived."""
    return browser.run(
        "return [...document.querySelectorAll('.box.done')].map((box) => box.dataset.key)"
    )


def test_steps_forward_and_back(opened):
    browser = opened(explained().html())
    assert shown(browser) == "start"
    assert flowing(browser) == []
    browser.element("#next").click()
    assert shown(browser) == "step-1"
    assert flowing(browser) == [["step-1", "step-2"]]
    assert done(browser) == []
    browser.element("#next").click()
    assert shown(browser) == "step-2"
    assert sorted(flowing(browser)) == [
        ["step-2", "leaf-1"], ["step-2", "leaf-2"], ["step-2", "step-3"]
    ]  # fmt: skip
    browser.element("#previous").click()
    assert shown(browser) == "step-1"
    for _ in range(2):
        browser.element("#next").click()
    assert sorted(done(browser)) == ["leaf-1", "leaf-2", "step-1", "step-2"]
    browser.element("#last").click()
    assert shown(browser) == "leaf-4"
    assert browser.run("return document.querySelector('#next').ariaDisabled") == "true"
    browser.element("#first").click()
    assert shown(browser) == "start"
    assert browser.run("return document.querySelector('#previous').ariaDisabled") == "true"


def test_a_click_on_a_node_shows_its_equation(opened):
    explanation = explained()
    browser = opened(explanation.html())
    for step in reversed(explanation.steps):
        browser.element(f'.box[data-key="step-{step.number}"]').click()
        assert shown(browser) == f"step-{step.number}"
        seen = browser.run(
            "return [...document.querySelectorAll('.item.shown math')]"
            ".filter((math) => math.getBoundingClientRect().width > 0)"
            ".map((math) => math.getAttribute('alttext'))"
        )
        assert step.forward in seen
        for rule in step.rules:
            assert rule.text in seen
            assert f"= {number(rule.total)}" in browser.text(".item.shown")
        assert "check: ✓ right" in browser.text(".item.shown")
        assert browser.text("#now").startswith(f"Step {step.number} of 4")
    browser.element('.box[data-key="leaf-2"]').click()
    assert shown(browser) == "leaf-2"
    assert "SGD" in browser.text(".item.shown")
    browser.element('.box[data-key="data-1"]').click()
    assert shown(browser) == "start"


def test_a_click_on_an_element_of_a_leaf_opens_its_ways_to_the_loss(opened):
    lesson = explained()
    browser = opened(lesson.html())
    leaf = next(leaf for leaf in lesson.leaves if leaf.value.name == "0.weight")
    key = f"leaf-{1 + lesson.leaves.index(leaf)}"
    browser.run(f"document.querySelector('.box[data-key={key}]').dispatchEvent(new Event('click'))")
    assert shown(browser) == key
    element = f"button[aria-controls={key}-at-2-0]"
    assert browser.run(f"return document.querySelector('{element}').textContent") == number(
        float(leaf.value.gradient[2, 0])
    )
    opens = f"return document.getElementById('{key}-at-2-0').open"
    assert browser.run(opens) is False
    browser.run(f"document.querySelector('{element}').click()")
    assert browser.run(opens) is True
    ways = browser.run(f"return document.getElementById('{key}-at-2-0').innerText")
    paths = lesson.to("W₁", (2, 0))
    assert f"{len(paths.products)} ways" in ways
    total = 0.0
    for product in paths.products:
        assert f"W₁[2, 0] → {' → '.join(product.places)}: " in ways
        total += product.value
    assert total == pytest.approx(float(leaf.value.gradient[2, 0]))
    marked = [line.strip() for line in paths.lines if line.strip()[0] in "✓✗≈~"]
    assert len(marked) > len(paths.products) + len(paths.sums)
    for line in marked:
        assert line in ways


def test_the_page_tells_why_a_gradient_is_zero_or_none(opened):
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    model[0].bias.data.fill_(-100)
    model[2].bias.requires_grad_(False)
    with recording():
        loss = model(nnlite.rand(4, 2)).sum()
    lesson = explain(loss, model=model)
    browser = opened(lesson.html())
    number_of = {leaf.value.name: place for place, leaf in enumerate(lesson.leaves, 1)}
    text = browser.run(f"return document.querySelector('#leaf-{number_of['0.weight']}').innerText")
    if not text:  # what is not shown has no text
        text = browser.run(
            f"return document.querySelector('#leaf-{number_of['0.weight']}').textContent"
        )
    assert "Why? Its gradient is zero: 100% of the units of a₁ are dead" in text
    browser.press("End")
    assert shown(browser) == "unreached"
    told = browser.run("return document.querySelector('#unreached').innerText")
    assert "2.bias" in told
    assert "The tensor is frozen (requires_grad=False)" in told
    assert "2.bias: The tensor is frozen" in " ".join(str(lesson).split())
    assert "why      Its gradient is zero: 100% of the units" in str(lesson)


def test_equations_are_typeset(opened):
    browser = opened(explained().html(), "#step-4")
    heights = browser.run(
        "return [...document.querySelectorAll('.item.shown mfrac')].map((fraction) => "
        "[...fraction.children].map((part) => part.getBoundingClientRect().top))"
    )
    assert heights
    assert all(below > above for above, below in heights)


def test_keyboard(opened):
    browser = opened(explained().html())
    keys = ["Right", "Right", "Left", "End", "Left", "Home"]
    seen = []
    for key in keys:
        browser.press(key)
        seen.append(shown(browser))
    assert seen == ["step-1", "step-2", "step-1", "leaf-4", "leaf-3", "start"]
    # The graph is one stop of the Tab key; up and down go from box to box, Enter opens one.
    browser.press("Tab")
    reached = [focused(browser)]
    for _ in range(3):
        browser.press("Down")
        reached.append(focused(browser))
    assert reached == ["leaf-3", "leaf-4", "step-4", "step-3"]
    browser.press("Up")
    assert focused(browser) == "step-4"
    browser.press("Down")
    outline = browser.run(
        "return getComputedStyle(document.activeElement.querySelector('rect')).outlineStyle"
    )
    assert outline == "solid"
    browser.press("Enter")
    assert shown(browser) == "step-3"
    assert browser.run("return document.activeElement.getAttribute('aria-current')") == "step"
    browser.press("Left")
    assert [shown(browser), focused(browser)] == ["step-2", "step-2"]
    browser.press("Tab", "Space")
    assert [shown(browser), focused(browser)] == ["start", "first"]
    browser.press("Escape", "Space")
    assert [shown(browser), focused(browser)] == ["step-2", "step-2"]


def focused(browser):
    """The box, or else the element, that has the focus."""
    return browser.run(
        "const it = document.activeElement; return it.dataset.key ?? (it.id || it.className)"
    )


def test_escape_leads_from_ways_to_their_element_and_from_a_field_to_the_graph(opened):
    browser = opened(explained(quiz=True).html(), "#leaf-3")
    browser.element("button[aria-controls=leaf-3-at-0-0]").click()
    ways = "return document.getElementById('leaf-3-at-0-0').open"
    assert browser.run(ways) is True
    browser.press("Escape")
    assert browser.run(ways) is False
    controls = "return document.activeElement.getAttribute('aria-controls')"
    assert browser.run(controls) == "leaf-3-at-0-0"
    browser.element('.box[data-key="step-2"]').click()
    browser.element("#step-2 .quiz input").type("a")
    browser.press("Escape", "Right")
    assert [shown(browser), focused(browser)] == ["step-3", "step-3"]


def test_arrows_scroll_an_equation_that_is_too_wide(opened):
    browser = opened(explained().html(), "#step-2", width=390)
    wide = """
        const equation = document.querySelector("#step-2 .rule .equation");
        equation.querySelector("math").style.paddingRight = "40rem";
        equation.tabIndex = 0;
        equation.focus();
    """
    browser.run(wide)
    browser.press("Right", "Right")
    assert shown(browser) == "step-2"
    assert browser.run(
        "const found = document.querySelector('#step-2 .rule .equation');"
        "let frames = 0;"
        "return new Promise((done) => {"
        "  const look = () => found.scrollLeft > 0 || ++frames > 100"
        "    ? done(found.scrollLeft > 0) : requestAnimationFrame(look);"
        "  look(); })"
    )


def test_who_has_scrolled_down_sees_the_next_step_from_its_start(opened):
    browser = opened(explained().html(), "#step-2", width=390, height=500)
    browser.run("window.scrollTo(0, 900)")
    browser.element("#next").click()
    assert shown(browser) == "step-3"
    edges = browser.run(
        "return ['#controls', '.item.shown'].map((found) => {"
        "const { top, bottom } = document.querySelector(found).getBoundingClientRect();"
        "return [top, bottom]; })"
    )
    (top, bottom), (start, _) = edges
    assert top == 0
    assert start == pytest.approx(bottom, abs=1)


@pytest.mark.parametrize("font", [None, "DejaVu Serif, serif"], ids=["formulas", "text"])
def test_indices_are_lowered_whatever_the_font(opened, font):
    page = explained().html()
    if font:
        page, times = re.subn(r'font-family: "Cambria Math"[^;]*;', f"font-family: {font};", page)
        assert times == 1
    browser = opened(page, "#step-2")
    lowered = browser.run(
        "return [...document.querySelectorAll('.item.shown msub')].map((found) => {"
        "const [base, index] = [...found.children].map((part) => part.getBoundingClientRect());"
        "return index.bottom - base.bottom; })"
    )
    assert lowered
    assert min(lowered) > 1


def test_a_matrix_keeps_its_brackets_and_what_is_too_wide_a_shade(opened):
    browser = opened(explained().html(), "#step-2")
    gaps = browser.run(
        "return [...document.querySelectorAll('.item.shown .chosen')].map((cell) => {"
        "const a = cell.getBoundingClientRect();"
        "const b = cell.closest('table').getBoundingClientRect();"
        "return Math.min(a.left - b.left, b.right - a.right); })"
    )
    assert len(gaps) == 3
    assert min(gaps) >= 5
    ground = browser.run(
        "const style = getComputedStyle(document.querySelector('.item.shown .rule .equation'));"
        "return [style.backgroundAttachment, style.overflowX]"
    )
    assert ground == ["local, local, scroll, scroll", "auto"]


def test_gradients_are_drawn_from_the_start_and_without_scripts(chromium, opened):
    seen = "return Number(getComputedStyle(document.querySelector('.wire.back')).opacity)"
    browser = opened(explained().html())
    assert 0.2 <= browser.run(seen) < 0.5
    assert browser.run(f"document.body.classList.remove('js'); {seen}") >= 0.8


def tall(uses=30):
    w = nnlite.ones(2, requires_grad=True)
    with recording():
        loss = nnlite.cat([w * float(i) for i in range(uses)]).sum()
    return explain(loss, names={"w": w})


def test_a_tall_graph_scrolls_and_keeps_its_size(opened):
    browser = opened(tall().html())
    sizes = browser.run(
        "const graph = document.querySelector('#graph');"
        "return [graph.clientHeight, graph.scrollHeight, innerHeight,"
        " document.querySelector('.box rect').getBoundingClientRect().height]"
    )
    height, inside, window, box = sizes
    assert height <= 0.6 * window < inside
    assert box >= 29
    for key in ("step-3", "step-31", "leaf-1"):
        browser.run(
            "document.querySelector(`.box[data-key=${arguments[0]}]`)"
            ".dispatchEvent(new Event('click'))",
            key,
        )
        inside = browser.run(
            "const [box, graph] = [arguments[0], '#graph'].map((found) =>"
            " document.querySelector(found).getBoundingClientRect());"
            "return graph.top <= box.top && box.bottom <= graph.bottom",
            f".box[data-key={key}]",
        )  # fmt: skip
        assert inside, key


@pytest.mark.parametrize("width", [390, 1280])
def test_every_control_is_told_by_its_name(opened, width):
    browser = opened(explained(quiz=True).html(), width=width)
    nodes = browser.devtools("Accessibility.getFullAXTree")["nodes"]
    names = [
        node["name"]["value"]
        for node in nodes
        if not node["ignored"] and node["role"]["value"] in ("button", "slider")
    ]
    assert names[:7] == [
        "To the start", "Back by a step", "Step of the backward pass", "Next step", "To the end",
        "Next blank □", "Data x, of shape (5, 3)",
    ]  # fmt: skip
    assert all(re.search(r"[A-Za-z]{3}", name) for name in names)


def test_the_slider(opened):
    browser = opened(explained().html())
    browser.run("document.querySelector('#slider').focus()")
    browser.press("Right", "Right", "Right")
    assert shown(browser) == "step-3"
    value = "return document.querySelector('#slider').getAttribute('aria-valuetext')"
    assert browser.run(value) == "Step 3 of 4: Sigmoid"


def test_an_address_opens_its_step(opened):
    browser = opened(explained().html(), "#step-3")
    assert shown(browser) == "step-3"
    assert browser.run("return window.scrollY") == 0
    browser.press("Right")
    assert browser.run("return location.hash") == "#step-4"
    browser = opened(deep(40).html(), "#step-40")
    folded = browser.run(
        "const step = document.getElementById('step-40');"
        "return [step.checkVisibility(), step.closest('.item').classList.contains('shown')]"
    )
    assert folded == [True, True]


def fill_in(browser, question, text):
    """Fill in a blank on the page; is it marked right, or wrong, and what does the page say?"""
    place = f"document.querySelectorAll('.quiz')[{question}]"
    browser.run(f"const field = {place}.querySelector('input'); field.value = ''; field.focus()")
    if text:
        browser.press(*text)
    browser.press("Enter")
    return browser.run(
        f"const form = {place};"
        "return [form.classList.contains('right'), form.classList.contains('wrong'),"
        " form.querySelector('output').innerText]"
    )


def test_the_quiz_marks_right_and_wrong(opened):
    explanation = explained(quiz=True)
    questions = Quiz(explanation).questions
    browser = opened(explanation.html())
    assert browser.text("#score") == "Quiz: 0 of 14 filled in"
    place = next(i for i, q in enumerate(questions) if q.kind == "symbol")
    asked = questions[place]
    browser.element(f'.box[data-key="step-{asked.step.number}"]').click()
    whole = f"{asked.before}{asked.answer}{asked.after}"
    assert whole not in browser.text(".item.shown")
    assert fill_in(browser, place, "q7") == [False, True, "✗ Not yet."]
    assert fill_in(browser, place, asked.answer) == [True, False, f"✓ Right: {whole}"]
    assert browser.text("#score") == "Quiz: 1 of 14 filled in"
    place = next(i for i, q in enumerate(questions) if q.kind == "number")
    asked = questions[place]
    browser.element(f'.box[data-key="step-{asked.step.number}"]').click()
    assert fill_in(browser, place, f"{asked.value * 2:.6g}")[1]
    assert fill_in(browser, place, asked.answer)[0]
    # The arrow keys in a field move the cursor there, not the page.
    here = shown(browser)
    browser.press("Left", "Home")
    assert shown(browser) == here


def blank(browser):
    """The number of the blank that has the focus."""
    return browser.run(
        "return [...document.querySelectorAll('.quiz input')].indexOf(document.activeElement)"
    )


def test_next_blank_leads_through_all_that_are_open(opened):
    questions = Quiz(explained(quiz=True)).questions
    browser = opened(explained(quiz=True).html(), width=390, height=700)
    visited = []
    for _ in range(15):
        browser.element("#blank").click()
        visited.append(blank(browser))
        assert browser.run("return document.activeElement.checkVisibility()")
    assert visited == [*range(14), 0]
    # Enter checks an answer; when it is right, Enter again leads on. Filled blanks are passed by.
    assert fill_in(browser, 0, questions[0].answer)[0]
    browser.press("Enter")
    assert blank(browser) == 1
    browser.element("#blank").click()
    assert fill_in(browser, 2, questions[2].answer)[0]
    browser.element("#first").click()
    for expected in (1, 3):
        browser.element("#blank").click()
        assert blank(browser) == expected


def test_the_page_says_what_is_wrong_with_an_answer_like_the_terminal(opened):
    explanation = explained(quiz=True)
    questions = Quiz(explanation).questions
    browser = opened(explanation.html())
    seen = set()
    for place, asked in enumerate(questions):
        browser.element(f'.box[data-key="step-{asked.step.number}"]').click()
        if asked.kind == "symbol":
            wrong = [f"({asked.answer})ᵀ"] if asked.ordered else []
        else:
            wrong = [f"{-asked.value:.6g}", "abc"]
        for given in wrong:
            told = f"✗ Not yet. {asked.remark(given)}".strip()
            assert fill_in(browser, place, given) == [False, True, told]
            seen.add(told)
    assert len(seen) == 3
    # A hint is not written in the colour of what is wrong.
    form = "document.querySelectorAll('.quiz')[13]"
    marked = f"return {form}.classList.contains('wrong')"
    assert browser.run(marked) is True
    browser.run(f"{form}.querySelector('.hint').click()")
    assert browser.run(marked) is False


def test_the_quiz_gives_hints_and_the_answer(opened):
    explanation = explained(quiz=True)
    asked = Quiz(explanation).questions[0]
    browser = opened(explanation.html(), "#step-1")
    browser.element("#step-1 .quiz .hint").click()
    assert browser.text("#step-1 .quiz output") == " ".join(asked.hints[0].split())
    browser.element("#step-1 .quiz .show").click()
    assert f"{asked.before}{asked.answer}{asked.after}" in browser.text("#step-1 .quiz output")
    assert browser.text("#score") == "Quiz: 0 of 14 filled in"


def test_page_and_terminal_accept_the_same_answers(opened):
    browser = opened(explained(quiz=True).html(), "#step-1")
    judge = """
        const form = document.querySelector(".quiz");
        return arguments[0].map(([data, given]) => {
          Object.assign(form.dataset, data);
          form.classList.remove("right", "wrong");
          form.querySelector("input").value = given;
          form.requestSubmit();
          return form.classList.contains("right");
        });
    """
    cases = [
        ({"kind": "symbol", "answer": right, "ordered": str(int(ordered))}, given)
        for right, ordered, given, _ in formulas.SYMBOLS
    ]
    cases += [
        ({"kind": "number", "value": repr(right), "tolerance": repr(tolerance)}, given)
        for right, tolerance, given, _ in formulas.NUMBERS
    ]
    wanted = [case[-1] for case in [*formulas.SYMBOLS, *formulas.NUMBERS]]
    judged = browser.run(judge, cases)
    assert [c for c, a, b in zip(cases, judged, wanted) if a != b] == []


def test_markup_in_names_is_not_run(opened):
    explanation, name = hostile()
    browser = opened(explanation.html())
    assert browser.run("return document.title") == "The backward pass of L"
    assert name in browser.text("#start")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("quiz", [False, True], ids=["page", "quiz"])
def test_width_and_colours(opened, width, dark, quiz):
    browser = opened(explained(quiz=quiz).html(), "#step-2", width=width, dark=dark)
    for _ in range(4):
        widths = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
        assert widths == [width, width], "nothing sticks out of the page"
        browser.press("Right")
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    lightness = sum(map(int, re.findall(r"\d+", ground)))
    assert (lightness < 150) if dark else (lightness > 700)
    low = browser.run(
        "return [...document.querySelectorAll('button')]"
        ".filter((button) => button.checkVisibility() && button.offsetHeight < 40).length"
    )
    assert low == 0, "a finger can hit every button"


def test_without_scripts_everything_is_there(chromium, opened):
    chromium.devtools("Emulation.setScriptExecutionDisabled", value=True)
    try:
        opened(explained().html())
        document = chromium.devtools("DOM.getDocument", depth=0)["root"]["nodeId"]
        found = chromium.devtools("DOM.querySelectorAll", nodeId=document, selector=".item")
        for node in found["nodeIds"]:
            assert chromium.devtools("DOM.getBoxModel", nodeId=node)["model"]["height"] > 50
    finally:
        chromium.devtools("Emulation.setScriptExecutionDisabled", value=False)


def test_a_notebooks_frame_works_like_the_page(opened):
    page = f"<!DOCTYPE html><title>notebook</title>{explained()._repr_html_()}"
    browser = opened(page.replace(' loading="lazy"', ""))
    state = """
        const inside = document.querySelector("iframe").contentDocument;
        inside.querySelector("#next").click();
        inside.querySelector("#next").click();
        return [inside.querySelector(".item.shown").id, document.title];
    """
    assert browser.run(state) == ["step-2", "notebook"]


def test_the_driver_notices_errors_on_the_console(chromium, tmp_path):
    """What the tests above rely on: an error and a request would have been seen."""
    path = tmp_path / "bad.html"
    path.write_text("<!DOCTYPE html><script>nothing()</script><img src='absent.png'>")
    chromium.log()
    chromium.requests()
    chromium.open(path)
    assert "nothing is not defined" in json.dumps(chromium.log())
    assert any(address.endswith("absent.png") for address in chromium.requests())
