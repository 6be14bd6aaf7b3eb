"use strict";
// Answers of the quiz: the same comparison of formulas as in answer.py.
const answers = (() => {
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

  // What is wrong with a wrong answer, where that can be told.
  function remark(given, asked) {
    if (asked.kind === "symbol") {
      const isTurned = asked.ordered === "1" && isSame(`(${given})ᵀ`, asked.answer, true);
      return isTurned ? "Only the transpose is wrong: compare the shapes." : "";
    }
    try {
      const isOpposite = Math.abs(numberOf(given) + Number(asked.value)) <= Number(asked.tolerance);
      return isOpposite ? "Only the sign is wrong." : "";
    } catch {
      return "That is no number.";
    }
  }

  return { isRight, remark };
})();
