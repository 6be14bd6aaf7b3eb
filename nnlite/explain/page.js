"use strict";
(() => {
  const items = [...document.querySelectorAll(".item")];
  const boxes = [...document.querySelectorAll(".box")];
  const wires = [...document.querySelectorAll(".wire.back")];
  const graph = document.getElementById("graph");
  const controls = document.getElementById("controls");
  const slider = document.getElementById("slider");
  const now = document.getElementById("now");
  const places = new Map(items.map((item, place) => [item.id, place]));
  const inOrder = [...boxes].sort((a, b) => side(a, "x") - side(b, "x") || side(a, "y") - side(b, "y"));
  let current = 0;

  document.body.classList.add("js");
  document.body.classList.toggle("plain-math", !areIndicesLowered());
  slider.max = String(items.length - 1);

  function side(box, name) {
    return Number(box.querySelector("rect").getAttribute(name));
  }

  // What belongs to a box: its item, or for data the start.
  const placeOf = (key) => places.get(key) ?? 0;

  function show(place, remember = true) {
    current = Math.max(0, Math.min(items.length - 1, place));
    const item = items[current];
    items.forEach((other) => other.classList.toggle("shown", other === item));
    for (const box of boxes) {
      const at = places.get(box.dataset.key);
      const isNow = at === current && current > 0;
      box.classList.toggle("now", isNow);
      box.classList.toggle("done", at !== undefined && Number(box.dataset.reached) < current);
      if (isNow) {
        box.setAttribute("aria-current", "step");
        enterAt(box);
        reveal(box);
      } else {
        box.removeAttribute("aria-current");
      }
    }
    for (const wire of wires) {
      const sent = placeOf(wire.dataset.target);
      const isNow = sent === current || (item.dataset.kind === "leaf" && wire.dataset.source === item.id);
      wire.classList.toggle("now", current > 0 && isNow);
      wire.classList.toggle("done", sent < current && !isNow);
    }
    startBelowControls(item);
    slider.value = String(current);
    slider.setAttribute("aria-valuetext", item.dataset.title);
    now.textContent = item.dataset.title;
    // Not `disabled`, which would take the focus away from who presses them.
    for (const [name, end] of [["first", 0], ["previous", 0], ["next", items.length - 1], ["last", items.length - 1]]) {
      document.getElementById(name).setAttribute("aria-disabled", String(current === end));
    }
    if (remember) {
      try {
        history.replaceState(null, "", "#" + item.id);
      } catch {
        // A page within a notebook has no address of its own.
      }
    }
  }

  // Scroll the graph, and nothing else, until a box is in its middle.
  function reveal(box) {
    const inside = box.getBoundingClientRect();
    const outside = graph.getBoundingClientRect();
    graph.scrollLeft += inside.left + inside.width / 2 - outside.left - outside.width / 2;
    graph.scrollTop += inside.top + inside.height / 2 - outside.top - outside.height / 2;
  }

  // The graph is one stop of the Tab key, at this box; who is in the graph goes along.
  function enterAt(box) {
    const isInside = graph.contains(document.activeElement);
    for (const other of boxes) {
      other.tabIndex = other === box ? 0 : -1;
    }
    if (isInside) {
      box.focus({ preventScroll: true });
    }
  }

  // Who has scrolled down, so that the controls stick, sees the next section from its start.
  function startBelowControls(item) {
    const hidden = controls.getBoundingClientRect().bottom - item.getBoundingClientRect().top;
    if (hidden > 0) {
      window.scrollBy({ top: -hidden, behavior: "instant" });
    }
  }

  // Whether the font has the measures of formulas; without them x₁ looks like x1.
  function areIndicesLowered() {
    const probe = document.createElement("p");
    probe.innerHTML = "<math><msub><mi>x</mi><mn>1</mn></msub></math>";
    document.body.append(probe);
    const [letter, index] = probe.querySelector("msub").children;
    const lowered = index.getBoundingClientRect().bottom - letter.getBoundingClientRect().bottom;
    probe.remove();
    return lowered > 1;
  }

  function open(key) {
    const found = key && document.getElementById(key);
    if (!found) {
      return;
    }
    const item = found.closest(".item");
    if (!item) {
      return;
    }
    show(places.get(item.id));
    const folded = found.closest("details");
    if (folded) {
      folded.open = true;
      found.scrollIntoView({ block: "nearest" });
    }
  }

  for (const box of boxes) {
    const choose = () => show(placeOf(box.dataset.key));
    box.addEventListener("click", choose);
    box.addEventListener("keydown", (event) => {
      const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        choose();
      } else if (step) {
        event.preventDefault();
        const neighbour = inOrder[inOrder.indexOf(box) + step];
        if (neighbour) {
          enterAt(neighbour);
          reveal(neighbour);
        }
      }
    });
  }
  slider.addEventListener("input", () => show(Number(slider.value)));
  const moves = { first: () => 0, previous: () => current - 1, next: () => current + 1, last: () => items.length - 1 };
  for (const [name, move] of Object.entries(moves)) {
    document.getElementById(name).addEventListener("click", () => show(move()));
  }
  const keys = { ArrowLeft: "previous", ArrowRight: "next", Home: "first", End: "last" };
  document.addEventListener("keydown", (event) => {
    const move = moves[keys[event.key]];
    const isTaken = event.target.closest?.("input, textarea, select") || isScrolled(event.target);
    if (event.key === "Escape") {
      leave(event.target);
    } else if (move && !isTaken && !event.altKey && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      show(move());
    }
  });
  // In what is wider than its place the arrow keys scroll.
  const isScrolled = (element) =>
    element.matches?.(".equation, .array") && element.scrollWidth > element.clientWidth;

  // Back to where one came from: from ways to the element, from elsewhere to the graph.
  function leave(element) {
    const ways = element.closest?.(".ways");
    if (ways) {
      ways.open = false;
      document.querySelector(`[aria-controls="${ways.id}"]`).focus();
    } else {
      boxes.find((box) => box.tabIndex === 0).focus();
    }
  }
  window.addEventListener("hashchange", () => open(location.hash.slice(1)));

  for (const element of document.querySelectorAll("button.element")) {
    element.addEventListener("click", () => {
      const ways = document.getElementById(element.getAttribute("aria-controls"));
      ways.open = true;
      ways.querySelector("summary").focus({ preventScroll: true });
      ways.scrollIntoView({ block: "nearest" });
    });
  }

  // ---- the quiz: the same comparison of formulas as in answer.py ----

  const SPELT = {
    alpha: "α", beta: "β", gamma: "γ", delta: "δ", eps: "ε", epsilon: "ε",
    lambda: "λ", mu: "μ", sigma: "σ", sigmoid: "σ", log: "ln",
  };
  const FUNCTIONS = {
    "σ": (x) => 1 / (1 + Math.exp(-x)), exp: Math.exp, ln: Math.log, tanh: Math.tanh, sin: Math.sin,
    cos: Math.cos, tan: Math.tan, sinh: Math.sinh, cosh: Math.cosh, sqrt: Math.sqrt, "√": Math.sqrt,
    abs: Math.abs, sign: Math.sign,
  };
  const TOKEN = new RegExp(
    "(?<number>\\d+\\.?\\d*(?:e[+-]?\\d+)?|\\.\\d+(?:e[+-]?\\d+)?)" +
    "|(?<gradient>∂L/∂[A-Za-zα-ω][\\u0302\\u0304]?\\d*′?)" +
    "|(?<word>exp|ln|tanh|sinh|sin|cosh|cos|tan|sqrt|abs|sign)(?![a-z])" +
    "|(?<symbol>[A-Za-zα-ωΦ][\\u0302\\u0304]?\\d*[ᵢⱼₖₘₙₛₜᵥ]?′?)" +
    "|(?<other>\\S)", "gu");
  const SIZE = 3;

  function plain(text) {
    return text.trim()
      .replace(/[₀-₉]/g, (digit) => String.fromCharCode(digit.charCodeAt(0) - 0x2080 + 0x30))
      .replace(/(?<![A-Za-z])[A-Za-z]{2,}(?![a-z])/g, (word) => (Object.hasOwn(SPELT, word) ? SPELT[word] : word))
      .replace(/[d∂]\s*L\s*\/\s*[d∂]\s*/g, "∂L/∂")
      .replace(/([A-Za-zα-ω])_\{?(\d+)\}?/g, "$1$2")
      .replace(/\.T\b|\^\{?T\}?(?![A-Za-z])/g, "ᵀ")
      .replaceAll("−", "-").replaceAll("**", "^").replaceAll("²", "^2").replaceAll("³", "^3")
      .replace(/\s*[*@×⋅·]\s*/g, "·")
      .replace(/\s+/g, " ");
  }

  // A value is a number or a matrix (a list of rows).
  const both = (a, b, work) => {
    if (!Array.isArray(a) && !Array.isArray(b)) {
      return work(a, b);
    }
    const at = (x, i, j) => (Array.isArray(x) ? x[i][j] : x);
    return Array.from({ length: SIZE }, (_, i) =>
      Array.from({ length: SIZE }, (_, j) => work(at(a, i, j), at(b, i, j))));
  };
  const each = (a, work) => both(a, 0, (x) => work(x));
  const transposed = (a) => (Array.isArray(a) ? a[0].map((_, j) => a.map((row) => row[j])) : a);
  const matrixProduct = (a, b) =>
    a.map((row) => b[0].map((_, j) => row.reduce((sum, x, k) => sum + x * b[k][j], 0)));

  // The same numbers between 0.5 and 1.5 for the same symbol.
  function matrixFor(symbol) {
    let state = 2166136261;
    for (const letter of symbol) {
      state = Math.imul(state ^ letter.codePointAt(0), 16777619);
    }
    const draw = () => {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return 0.5 + ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
    return Array.from({ length: SIZE }, () => Array.from({ length: SIZE }, draw));
  }

  // The value of a formula; throws when it is none.
  function valueOf(text, ordered, symbols = true) {
    const tokens = [...text.matchAll(TOKEN)];
    let place = 0;
    const peek = () => tokens[place]?.[0];
    const take = (...wanted) => (wanted.includes(peek()) ? tokens[place++][0] : undefined);
    const fail = () => {
      throw new SyntaxError(text);
    };

    function sum() {
      let found = product();
      for (let sign = take("+", "-"); sign; sign = take("+", "-")) {
        const other = product();
        found = both(found, other, sign === "+" ? (a, b) => a + b : (a, b) => a - b);
      }
      return found;
    }
    function product() {
      let found = signed();
      while (peek() !== undefined && !["+", "-", ")", "]", "^", "ᵀ"].includes(peek())) {
        const sign = take("·", "/");
        const other = signed();
        if (sign === "/") {
          found = both(found, other, (a, b) => a / b);
        } else if (ordered && Array.isArray(found) && Array.isArray(other)) {
          found = matrixProduct(found, other);
        } else {
          found = both(found, other, (a, b) => a * b);
        }
      }
      return found;
    }
    function signed() {
      if (take("-")) {
        return each(signed(), (x) => -x);
      }
      return take("+") ? signed() : power();
    }
    function power() {
      let found = atom();
      for (let mark = take("^", "ᵀ"); mark; mark = take("^", "ᵀ")) {
        found = mark === "ᵀ" ? transposed(found) : both(found, signed(), (a, b) => a ** b);
      }
      return found;
    }
    function atom() {
      const token = tokens[place++] ?? fail();
      const found = token[0];
      if (token.groups.number) {
        return Number(found);
      }
      if (found === "(" || found === "[") {
        const inner = sum();
        return take(found === "(" ? ")" : "]") ? inner : fail();
      }
      if (Object.hasOwn(FUNCTIONS, found) && (found !== "σ" || peek() === "(")) {
        return each(power(), FUNCTIONS[found]);
      }
      if (found === "e" && take("^")) {
        return each(signed(), Math.exp);
      }
      if (found === "π") {
        return Math.PI;
      }
      return symbols && (token.groups.gradient || token.groups.symbol) ? matrixFor(found) : fail();
    }

    const found = sum();
    return peek() === undefined ? found : fail();
  }

  const near = (a, b) => Math.abs(a - b) <= 1e-9 + 1e-9 * Math.abs(b);
  function isSame(given, right, ordered) {
    let expected;
    try {
      expected = valueOf(plain(right), ordered);
    } catch {
      return plain(given).replace(/\s/g, "") === plain(right).replace(/\s/g, "");
    }
    try {
      return [both(valueOf(plain(given), ordered), expected, near)].flat(2).every(Boolean);
    } catch {
      return false;
    }
  }
  function numberOf(text) {
    return valueOf(plain(text.replace(/(?<=\d),(?=\d)/g, ".")), false, false);
  }
  function isRight(given, asked) {
    if (asked.kind === "symbol") {
      return isSame(given, asked.answer, asked.ordered === "1");
    }
    try {
      return Math.abs(numberOf(given) - Number(asked.value)) <= Number(asked.tolerance);
    } catch {
      return false;
    }
  }

  const forms = [...document.querySelectorAll(".quiz")];
  const score = document.getElementById("score");
  function count() {
    const right = forms.filter((form) => form.classList.contains("right")).length;
    score.textContent = `Quiz: ${right} of ${forms.length} filled in`;
  }
  for (const form of forms) {
    const field = form.querySelector("input");
    const told = form.querySelector("output");
    const hints = JSON.parse(form.dataset.hints);
    let hinted = 0;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!field.value.trim()) {
        return;
      }
      const right = isRight(field.value, form.dataset);
      form.classList.toggle("right", right);
      form.classList.toggle("wrong", !right);
      field.setAttribute("aria-invalid", String(!right));
      told.textContent = right ? `✓ Right: ${form.dataset.whole}` : "✗ Not yet.";
      count();
    });
    form.querySelector(".hint").addEventListener("click", () => {
      told.textContent = hints[Math.min(hinted, hints.length - 1)];
      hinted += 1;
    });
    form.querySelector(".show").addEventListener("click", () => {
      form.classList.remove("right", "wrong");
      told.textContent = `The answer: ${form.dataset.whole}`;
      count();
    });
  }
  if (forms.length) {
    count();
  }

  enterAt(inOrder[0]);
  show(0, false);
  open(location.hash.slice(1));
})();
