/**
 * The timed text: the tree of a karalign JSON, and ways to find things in it.
 * Lines, words, syllables and phones are never changed: edits make new ones (edit.js), so undo keeps the old.
 *
 * @typedef {{text: string, start: number | null, end: number | null, score: number | null}} Span seconds; null: not found
 * @typedef {Record<string, string>} Extra
 * @typedef {Span & {phones: Span[], extra?: Extra}} Syllable
 * @typedef {Span & {syllables: Syllable[], fixed?: boolean}} Word fixed: its time was set by hand
 * @typedef {Span & {words: Word[], kind?: string, number?: number, extra?: Extra}} Line
 * @typedef {{version: number, audio: string | null, extra?: Extra, lines: Line[]}} Tree
 * @typedef {{start: number, end: number, line: number, word: number, span: Word}} Bar
 */

/** Name of the extra of a line that tells which of its words, from 1, were set by hand. */
const FIXED = "json:fixed";
/** White space as Python has it. */
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const WORDS = new RegExp(`[^${SPACE}]+`, "g");
const EDGES = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, "g");
/** Seconds without a word that count as an instrumental part. */
export const PAUSE = 4;

/** @param {string} text */
export const wordsOf = (text) => text.match(WORDS) ?? [];

/** @param {string} text */
export const trimmed = (text) => text.replace(EDGES, "");

/** @template {Span} T @param {T} span @returns {span is T & {start: number, end: number}} */
export const isTimed = (span) => span.start !== null && span.end !== null;

/** @param {Line} line */
export const isSung = (line) => (line.kind ?? "lyrics") === "lyrics";

/** Whether a line is only shown with the one before it. @param {Line} line */
export const isBeside = (line) => ["translation", "romanisation"].includes(line.extra?.role ?? "");

/** Whether a word could sound at all. @param {Word} word */
export const sounds = (word) => /[\p{L}\p{N}]/u.test(word.text);

/** The tree as the page works with it: words say themselves whether they are fixed. @param {Line} line @returns {Line} */
export function opened(line) {
  const fixed = new Set((line.extra?.[FIXED] ?? "").split(" "));
  const { [FIXED]: _, ...others } = line.extra ?? {};
  const extra = Object.keys(others).length ? { extra: others } : {};
  const words = line.words.map((word, at) => (fixed.has(`${at + 1}`) ? { ...word, fixed: true } : word));
  const { extra: _told, ...rest } = line;
  return { ...rest, ...extra, words };
}

/** The inverse of `opened`: what a file holds. @param {Line} line @returns {Line} */
export function closed(line) {
  const fixed = line.words.flatMap((word, at) => (word.fixed && isTimed(word) ? [at + 1] : []));
  const extra = { ...line.extra, ...(fixed.length ? { [FIXED]: fixed.join(" ") } : {}) };
  const words = line.words.map(({ fixed: _, ...word }) => word);
  return { ...line, words, ...(Object.keys(extra).length ? { extra } : {}) };
}

/** All timed words by start. @param {readonly Line[]} lines @returns {Bar[]} */
export function barsOf(lines) {
  const bars = lines.flatMap((line, at) => line.words.flatMap((span, word) => (
    isTimed(span) ? [{ start: span.start, end: span.end, line: at, word, span }] : [])));
  return bars.sort((a, b) => a.start - b.start);
}

/**
 * Index of the first of rising values that is above `value`.
 * @template T
 * @param {ArrayLike<T>} list @param {number} value @param {(item: T) => number} of
 */
export function above(list, value, of) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (of(list[middle]) > value) high = middle; else low = middle + 1;
  }
  return low;
}

/** The words that sound at a time; `longest` is the duration of the longest. @param {Bar[]} bars @param {number} time @param {number} longest */
export function soundingAt(bars, time, longest) {
  const out = [];
  for (let at = above(bars, time, (bar) => bar.start) - 1; at >= 0 && bars[at].start >= time - longest; at--)
    if (time < bars[at].end) out.push(bars[at]);
  return out.reverse();
}

/** Where nobody sings, in seconds. @param {Bar[]} bars @param {number} seconds @returns {[number, number][]} */
export function instrumentals(bars, seconds) {
  /** @type {[number, number][]} */
  const out = [];
  let silent = 0;
  for (const { start, end } of [...bars, { start: seconds, end: seconds }]) {
    if (start - silent >= PAUSE) out.push([silent, start]);
    silent = Math.max(silent, end);
  }
  return out;
}

/** Whether a line should be looked at: words of it were not found, or it scores low. @param {Line} line @param {number} threshold */
export function isDoubtful(line, threshold) {
  const known = judged.get(line);
  if (known !== undefined) return known;
  const doubtful = judge(line, threshold);
  judged.set(line, doubtful);
  return doubtful;
}

/** Lines never change, so neither does what was said of them. @type {WeakMap<Line, boolean>} */
const judged = new WeakMap();

/** @param {Line} line @param {number} threshold */
function judge(line, threshold) {
  if (!isSung(line) || !line.words.length || isBeside(line)) return false;
  const open = line.words.filter((word) => sounds(word) && !(word.fixed && isTimed(word)));
  if (!open.length) return false;
  return open.some((word) => !isTimed(word)) || (line.score !== null && line.score < threshold);
}

/** Indices of the doubtful lines, the worst first. @param {readonly Line[]} lines @param {number} threshold */
export function doubtsOf(lines, threshold) {
  const worth = lines.map((line) => (isTimed(line) ? line.score ?? 0 : -1));
  return lines.flatMap((line, at) => (isDoubtful(line, threshold) ? [at] : [])).sort((a, b) => worth[a] - worth[b] || a - b);
}

/** `m:ss.mmm`. @param {number} seconds */
export function clock(seconds, digits = 3) {
  const scale = 10 ** digits, all = Math.round(seconds * scale);
  const minutes = Math.floor(all / scale / 60);
  const rest = all - minutes * 60 * scale;
  const whole = String(Math.floor(rest / scale)).padStart(2, "0");
  return `${minutes}:${whole}${digits ? `.${String(rest % scale).padStart(digits, "0")}` : ""}`;
}
