/**
 * The text beside the picture: all lines, those in doubt, those that nobody sings, and how far another timing differs.
 * Texts are set as texts, never as HTML.
 *
 * @typedef {import("./model.js").Line} Line
 * @typedef {import("./model.js").Bar} Bar
 * @typedef {([number, number] | null)[]} Against when the other timing has each word, in reading order
 */
import { clock, isSung, isTimed, isDoubtful, sounds } from "./model.js";

const MOST = 100; // lines in a list: what is put right makes room for the next

/** @template {keyof HTMLElementTagNameMap} K @param {K} name @param {Partial<HTMLElementTagNameMap[K]>} [fields] @param {(Node | string)[]} children @returns {HTMLElementTagNameMap[K]} */
export function element(name, fields = {}, ...children) {
  const made = Object.assign(document.createElement(name), fields);
  made.append(...children);
  return made;
}

/** How far a line is from the other timing: the word farthest away, ms. @param {Line} line @param {Against} others */
export function farthest(line, others) {
  const gaps = line.words.flatMap((word, n) => gap(word, others[n]) ?? []);
  return gaps.length ? gaps.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a)) : null;
}

/** Milliseconds by which the other timing has a word later. @param {import("./model.js").Span} word @param {[number, number] | null | undefined} other */
export const gap = (word, other) => (other && isTimed(word) ? Math.round((other[0] - word.start) * 1000) : null);

/** @param {number} ms */
export const signed = (ms) => `${ms > 0 ? "+" : ms < 0 ? "−" : "±"}${Math.abs(ms)} ms`;

export class Lyrics {
  /** @param {HTMLElement} list @param {number} threshold @param {(line: number) => Against} others */
  constructor(list, threshold, others) {
    this.list = list;
    this.threshold = threshold;
    this.others = others;
    /** @type {readonly Line[]} what the rows show */
    this.shown = [];
    /** @type {HTMLElement[]} */
    this.lit = [];
    /** @type {HTMLElement | null} */
    this.picked = null;
    this.at = -1;
    this.scroll = 0;
  }

  /** Makes anew the rows whose lines are others now. @param {readonly Line[]} lines */
  show(lines) {
    if (lines.length !== this.shown.length) {
      this.list.replaceChildren(...lines.map((line, at) => this.fill(element("li"), line, at)));
      this.lit = [];
    } else lines.forEach((line, at) => { // in its place, so that the rows around it need no new layout
      if (line !== this.shown[at]) this.fill(/** @type {HTMLLIElement} */ (this.list.children[at]), line, at);
    });
    this.shown = lines;
    this.at = -1;
  }

  /** @param {HTMLLIElement} row @param {Line} line @param {number} at */
  fill(row, line, at) {
    const doubtful = isDoubtful(line, this.threshold), kind = line.kind ?? "lyrics";
    row.className = `line ${kind}${doubtful ? " doubtful" : ""}${isTimed(line) ? "" : " untimed"}`;
    row.dataset.line = String(at);
    row.replaceChildren();
    if (isSung(line) && line.text.trim()) {
      const label = isTimed(line) ? clock(line.start, 1) : "not heard";
      const go = element("button", { className: "go", type: "button", textContent: label });
      go.setAttribute("aria-label", `Line ${at + 1}, ${label}${doubtful ? ", doubtful" : ""}: go to it`);
      row.append(go);
    }
    const text = element("p", { className: "text", dir: "auto" });
    line.words.forEach((word, n) => {
      const span = element("span", { className: wordClass(word, this.threshold), textContent: word.text });
      span.dataset.word = String(n);
      text.append(span, " ");
    });
    if (!line.words.length) text.append(line.text || "\u00a0");
    row.append(text);
    const far = farthest(line, this.others(at));
    if (far !== null) row.append(element("span", { className: `far${Math.abs(far) > 100 ? " wide" : ""}`, textContent: signed(far) }));
    if (doubtful) row.append(element("span", { className: "score", textContent: line.score === null ? "?" : `? ${line.score.toFixed(2)}` }));
    return row;
  }

  /** @param {number} line @param {number} word */
  span(line, word) {
    return /** @type {HTMLElement | null} */ (this.list.children[line]?.querySelector(`[data-word="${word}"]`) ?? null);
  }

  /** Lights these words up, and keeps their line in view. @param {Bar[]} bars @param {boolean} follow */
  light(bars, follow) {
    const now = bars.flatMap((bar) => this.span(bar.line, bar.word) ?? []);
    if (now.length === this.lit.length && now.every((span, n) => span === this.lit[n])) return;
    for (const span of this.lit) span.classList.remove("lit");
    for (const span of now) span.classList.add("lit");
    this.lit = now;
    const line = bars[0]?.line ?? this.at;
    if (line === this.at) return;
    this.list.children[this.at]?.removeAttribute("aria-current");
    this.list.children[line]?.setAttribute("aria-current", "true");
    this.at = line;
    if (follow) this.reveal(line);
  }

  /** Scrolls the list, and nothing else, to a line. @param {number} line */
  reveal(line) {
    cancelAnimationFrame(this.scroll);
    this.scroll = requestAnimationFrame(() => { // where rows are is known then anyway
      const row = /** @type {HTMLElement | undefined} */ (this.list.children[line]);
      if (!row) return;
      const list = this.list.getBoundingClientRect(), box = row.getBoundingClientRect();
      if (box.top < list.top + 20 || box.bottom > list.bottom - 60) this.list.scrollTop += box.top - list.top - list.height / 3;
    });
  }

  /** @param {number} line @param {number} word */
  pick(line, word) {
    const span = this.span(line, word);
    if (span === this.picked) return;
    this.picked?.classList.remove("picked");
    this.picked = span;
    this.picked?.classList.add("picked");
    this.reveal(line);
  }
}

/** @param {import("./model.js").Word} word @param {number} threshold */
function wordClass(word, threshold) {
  if (word.fixed && isTimed(word)) return "word fixed";
  if (!sounds(word)) return "word";
  if (!isTimed(word)) return "word lost";
  return word.score !== null && word.score < threshold ? "word poor" : "word";
}

/** Fills a list with buttons for the first lines of many, one a line. @param {HTMLElement} list @param {readonly Line[]} lines @param {number[]} which @param {(line: number) => string} label */
export function fill(list, lines, which, label) {
  const rows = which.slice(0, MOST).map((at) => ({ at, figure: label(at), text: lines[at].text.slice(0, 200) }));
  const now = JSON.stringify(rows);
  if (list.dataset.shows === now) return;
  list.dataset.shows = now;
  list.replaceChildren(...rows.map(({ at, figure, text }) => {
    const button = element("button", { type: "button" }, element("span", { className: "figure", textContent: figure }), element("bdi", { textContent: text }));
    button.dataset.line = String(at);
    return element("li", {}, button);
  }));
}
