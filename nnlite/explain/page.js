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

  // ---- the quiz ----

  const forms = [...document.querySelectorAll(".quiz")];
  const score = document.getElementById("score");
  let last = null; // the blank where one was last
  function count() {
    const right = forms.filter((form) => form.classList.contains("right")).length;
    score.textContent = `Quiz: ${right} of ${forms.length} filled in`;
  }

  // From where one is to the next blank that is not filled in rightly, from the last to the first.
  function toNextBlank() {
    const open = forms.filter((form) => !form.classList.contains("right"));
    const here = last && items[current].contains(last) ? last : items[current];
    const isLater = (form) => here.compareDocumentPosition(form) & Node.DOCUMENT_POSITION_FOLLOWING;
    const found = open.find((form) => form !== here && isLater(form)) ?? open[0];
    if (!found) {
      return;
    }
    show(places.get(found.closest(".item").id));
    const folded = found.closest("details");
    if (folded) {
      folded.open = true;
    }
    const field = found.querySelector("input");
    field.focus({ preventScroll: true });
    field.scrollIntoView({ block: "center" });
  }
  document.getElementById("blank")?.addEventListener("click", toNextBlank);
  for (const form of forms) {
    const field = form.querySelector("input");
    field.addEventListener("focus", () => {
      last = form;
    });
    const told = form.querySelector("output");
    const hints = JSON.parse(form.dataset.hints);
    let hinted = 0;
    let judged = "";
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!field.value.trim()) {
        return;
      }
      if (form.classList.contains("right") && field.value === judged) {
        toNextBlank();
        return;
      }
      judged = field.value;
      const right = answers.isRight(field.value, form.dataset);
      form.classList.toggle("right", right);
      form.classList.toggle("wrong", !right);
      field.setAttribute("aria-invalid", String(!right));
      told.textContent = right
        ? `✓ Right: ${form.dataset.whole}`
        : `✗ Not yet. ${answers.remark(field.value, form.dataset)}`.trim();
      count();
    });
    form.querySelector(".hint").addEventListener("click", () => {
      form.classList.remove("wrong");
      field.removeAttribute("aria-invalid");
      told.textContent = hints[Math.min(hinted, hints.length - 1)];
      hinted += 1;
    });
    form.querySelector(".show").addEventListener("click", () => {
      form.classList.remove("right", "wrong");
      field.removeAttribute("aria-invalid");
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
