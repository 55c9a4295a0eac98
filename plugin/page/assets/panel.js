/**
 * The word that is picked, as a form: what a screen reader reads, and what can be typed instead of dragged.
 *
 * @typedef {import("./model.js").Line} Line
 * @typedef {import("./edit.js").Place} Place
 * @typedef {{text: HTMLInputElement, start: HTMLInputElement, end: HTMLInputElement, fact: HTMLElement, box: HTMLFieldSetElement}} Fields
 * @typedef {{respell: (text: string) => void, move: (side: "start" | "end", time: number) => void}} Does
 */
import { clock, isTimed } from "./model.js";
import { gap, signed } from "./lyrics.js";

/** Seconds of "62.345" or "1:02.345", null: it is no time. @param {string} text */
function secondsOf(text) {
  const found = /^\s*(?:(?:(\d{1,3}):)?(\d{1,3}):)?(\d{1,6}(?:\.\d{1,9})?)\s*$/.exec(text);
  return found ? Number(found[1] ?? 0) * 3600 + Number(found[2] ?? 0) * 60 + Number(found[3]) : null;
}

/** What there is to say of a word. @param {Line} line @param {Place} at @param {[number, number] | null | undefined} other */
export function told(line, at, other) {
  const word = line.words[at.word];
  const far = gap(word, other);
  return [
    `Line ${at.line + 1}, word ${at.word + 1} of ${line.words.length}`,
    at.syllable === undefined ? "" : `syllable ${at.syllable + 1}, ${word.syllables[at.syllable]?.text ?? ""}`,
    isTimed(word) ? "" : "not found",
    word.fixed ? "fixed by hand" : word.score === null ? "" : `confidence ${Math.round(word.score * 100)} %`,
    far === null ? "" : `the other timing: ${signed(far)}`,
  ].filter(Boolean).join(" · ");
}

export class Panel {
  /** @param {Fields} fields @param {Does} does */
  constructor(fields, does) {
    this.fields = fields;
    fields.text.addEventListener("change", () => does.respell(fields.text.value));
    for (const side of /** @type {const} */ (["start", "end"]))
      fields[side].addEventListener("change", () => {
        const time = secondsOf(fields[side].value);
        fields[side].setAttribute("aria-invalid", String(time === null));
        if (time !== null) does.move(side, time);
      });
    for (const field of [fields.text, fields.start, fields.end])
      field.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === "Escape") field.blur(); // a change is told then
      });
  }

  /** @param {readonly Line[]} lines @param {Place | null} at @param {[number, number] | null | undefined} other */
  show(lines, at, other) {
    const word = at && lines[at.line]?.words[at.word], { text, start, end, fact, box } = this.fields;
    box.disabled = !word;
    fact.textContent = at && word ? told(lines[at.line], at, other) : "Pick a word: click on it, or use the arrow keys.";
    const span = (word && at?.syllable !== undefined && word.syllables[at.syllable]) || word;
    text.value = word ? (word.syllables.length ? word.syllables.map((part) => part.text).join("·") : word.text) : "";
    start.value = span && isTimed(span) ? clock(span.start) : "";
    end.value = span && isTimed(span) ? clock(span.end) : "";
    for (const field of [start, end]) field.removeAttribute("aria-invalid");
  }
}
