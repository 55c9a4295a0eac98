/**
 * The words as a singer sees them: this line and the next, filling as they are sung.
 *
 * @typedef {import("./model.js").Line} Line
 */
import { above, isBeside, isSung, isTimed } from "./model.js";
import { element } from "./lyrics.js";

const EARLY = 1.5; // seconds before its first word from which a line is the one to look at
const COUNT = 3; // seconds, counted down before a line that follows a pause

export class Stage {
  /** @param {HTMLElement} now @param {HTMLElement} next @param {HTMLElement} count */
  constructor(now, next, count) {
    this.now = now;
    this.next = next;
    this.count = count;
    /** @type {(Line & {start: number, end: number})[]} */
    this.lines = [];
    /** @type {Line | null} */
    this.shown = null;
    /** @type {{span: HTMLElement, start: number, end: number}[]} */
    this.parts = [];
  }

  /** @param {readonly Line[]} lines */
  set(lines) {
    this.lines = lines.filter(isTimed).filter((line) => isSung(line) && !isBeside(line) && line.words.some(isTimed)).sort((a, b) => a.start - b.start);
    this.shown = null;
  }

  /** @param {number} time */
  at(time) {
    const sung = Math.max(0, above(this.lines, time, (line) => line.start) - 1);
    const after = this.lines[sung + 1];
    const over = this.lines[sung] && time > this.lines[sung].end && after && (time > after.start - EARLY);
    const at = over ? sung + 1 : sung, line = this.lines[at];
    if (line !== this.shown) this.change(line, this.lines[at + 1]);
    for (const { span, start, end } of this.parts) {
      const share = Math.min(1, Math.max(0, (time - start) / Math.max(end - start, 1e-3)));
      span.style.setProperty("--done", `${(share * 100).toFixed(1)}%`);
    }
    const wait = line ? line.start - time : 0, pause = !line || line.start - (this.lines[at - 1]?.end ?? 0) > COUNT;
    this.count.textContent = pause && wait > 0 && wait <= COUNT ? "●".repeat(Math.ceil(wait)) : "";
  }

  /** @param {Line | undefined} line @param {Line | undefined} next */
  change(line, next) {
    this.shown = line ?? null;
    this.parts = [];
    this.now.replaceChildren(...(line?.words ?? []).flatMap((word) => {
      const parts = word.syllables.some(isTimed) ? word.syllables : [word];
      const spans = parts.map((part) => {
        const span = element("span", { className: "sung", textContent: part.text });
        if (isTimed(part)) this.parts.push({ span, start: part.start, end: part.end });
        return span;
      });
      return [element("bdi", {}, ...spans), " "];
    }));
    this.next.textContent = next?.text ?? "";
  }
}
