/**
 * Edits: each takes the lines and gives new ones. What is set by hand is fixed.
 *
 * @typedef {import("./model.js").Line} Line
 * @typedef {import("./model.js").Word} Word
 * @typedef {import("./model.js").Span} Span
 * @typedef {import("./model.js").Syllable} Syllable
 * @typedef {{line: number, word: number, syllable?: number}} Place
 * @typedef {"start" | "end"} Side
 */
import { isSung, isTimed, sounds, wordsOf } from "./model.js";

/** Seconds: no span gets shorter. */
const LEAST = 0.02;
/** Seconds: edges no farther apart move together. */
const TOUCH = 0.015;
/** Seconds that a word lasts which had no time before. */
const USUAL = 0.3;

/** @param {number} value @param {number} low @param {number} high */
const within = (value, low, high) => Math.min(Math.max(value, low), Math.max(low, high));
/** To the tenth of a millisecond. @param {number} seconds */
const round = (seconds) => Math.round(seconds * 1e4) / 1e4;

/** @template T @param {readonly T[]} list @param {number} at @param {T[]} items @returns {T[]} */
const put = (list, at, ...items) => [...list.slice(0, at), ...items, ...list.slice(at + 1)];

/**
 * A span and what is in it with other edges: inner edges stay where they fit, else all is stretched.
 * @template {Span & {syllables?: Syllable[], phones?: Span[]}} T
 * @param {T} span @param {number} start @param {number} end @returns {T}
 */
function stretched(span, start, end) {
  /** @type {(Span & {phones?: Span[]})[]} */
  const parts = span.syllables ?? span.phones ?? [];
  const timed = parts.filter(isTimed);
  const old = { start: span.start ?? start, end: span.end ?? end };
  const fits = timed.every((part, at) => (
    (at === timed.length - 1 ? end : part.end) - (at === 0 ? start : part.start) >= LEAST / 2));
  const factor = (end - start) / Math.max(old.end - old.start, 1e-9);
  /** @param {number} time @param {boolean} edge */
  const map = (time, edge) => (fits && !edge ? time : within(start + (time - old.start) * factor, start, end));
  const children = parts.map((part) => (!isTimed(part) ? part
    : stretched(part, map(part.start, part.start === old.start), map(part.end, part.end === old.end))));
  const key = span.syllables ? "syllables" : "phones";
  return { ...span, start, end, ...(span.syllables || span.phones ? { [key]: children } : {}) };
}

/** A line with other words, lasting as long as they do, or as long as it lasted beyond them. @param {Line} line @param {Word[]} words @returns {Line} */
function withWords(line, words) {
  const before = line.words.filter(isTimed), now = words.filter(isTimed);
  if (!now.length) return { ...line, words, start: null, end: null };
  const first = now[0].start, last = now[now.length - 1].end;
  const own = isTimed(line) && before.length ? line : null;
  const start = own && own.start < before[0].start ? Math.min(own.start, first) : first;
  const end = own && own.end > before[before.length - 1].end ? Math.max(own.end, last) : last;
  return { ...line, words, start, end };
}

/** @param {readonly Line[]} lines @param {Place} at @param {Word} word */
function withWord(lines, at, word) {
  const line = lines[at.line];
  return put(lines, at.line, withWords(line, put(line.words, at.word, word)));
}

/** The nearest timed word before (-1) or after (1) in the text. @param {readonly Line[]} lines @param {Place} at @param {1 | -1} step @returns {(Place & {span: Word & {start: number, end: number}}) | null} */
function neighbour(lines, at, step) {
  let { line, word } = at;
  for (;;) {
    word += step;
    while (!lines[line].words[word]) {
      line += step;
      if (!lines[line]) return null;
      word = step > 0 ? 0 : lines[line].words.length - 1;
      if (lines[line].words.length) break;
    }
    const span = lines[line].words[word];
    if (span && isTimed(span)) return { line, word, span };
  }
}

/**
 * One edge of a word or syllable elsewhere: the neighbour that touches it follows, one that does not is in the way.
 * @param {readonly Line[]} lines @param {Place} at @param {Side} side @param {number} to @returns {Line[]}
 */
export function moveEdge(lines, at, side, to) {
  const word = lines[at.line].words[at.word];
  if (!isTimed(word)) return placed(lines, at, to);
  if (at.syllable !== undefined && isInner(word, at.syllable, side))
    return withWord(lines, at, { ...word, fixed: true, syllables: movedInside(word.syllables, at.syllable, side, to) });
  const next = neighbour(lines, at, side === "start" ? -1 : 1);
  const edge = side === "start" ? word.start : word.end;
  const facing = next ? (side === "start" ? next.span.end : next.span.start) : NaN;
  const touches = Math.abs(facing - edge) <= TOUCH;
  const inTheWay = side === "start" ? facing <= edge + TOUCH : facing >= edge - TOUCH; // voices may overlap
  const limit = !next || !inTheWay ? null
    : !touches ? facing : side === "start" ? next.span.start + LEAST : next.span.end - LEAST;
  const [low, high] = side === "start" ? [limit ?? 0, word.end - LEAST] : [word.start + LEAST, limit ?? Infinity];
  if (low > high) return [...lines]; // no room at all
  const time = within(round(to), low, high);
  const moved = side === "start" ? stretched(word, time, word.end) : stretched(word, word.start, time);
  let out = lines;
  if (next && touches) {
    const other = side === "start" ? stretched(next.span, next.span.start, time) : stretched(next.span, time, next.span.end);
    out = withWord(out, next, other);
  }
  return withWord(out, at, { ...moved, fixed: true });
}

/** @param {Word} word @param {number} at @param {Side} side */
const isInner = (word, at, side) => (side === "start" ? at > 0 : at < word.syllables.length - 1);

/** @param {Syllable[]} parts @param {number} at @param {Side} side @param {number} to */
function movedInside(parts, at, side, to) {
  const [left, right] = side === "start" ? [at - 1, at] : [at, at + 1];
  const a = parts[left], b = parts[right];
  if (!isTimed(a) || !isTimed(b)) return parts;
  if (a.start + LEAST > b.end - LEAST) return parts;
  const time = within(round(to), a.start + LEAST, b.end - LEAST);
  return put(put(parts, left, stretched(a, a.start, time)), right, stretched(b, time, b.end));
}

/** A word that had no time gets one. @param {readonly Line[]} lines @param {Place} at @param {number} start @returns {Line[]} */
function placed(lines, at, start) {
  const before = neighbour(lines, at, -1), after = neighbour(lines, at, 1);
  const low = before?.span.end ?? 0, high = after?.span.start ?? Infinity;
  if (high - low < LEAST) return [...lines];
  const from = within(round(start), low, high - LEAST);
  const word = lines[at.line].words[at.word];
  return withWord(lines, at, { ...stretched(word, from, Math.min(round(from + USUAL), high)), fixed: true });
}

/**
 * The words of a line that sound begin at the times tapped, each until the next; the time after the last ends it.
 * Words without a tap keep no time.
 * @param {readonly Line[]} lines @param {number} at @param {number[]} taps rising seconds @returns {Line[]}
 */
export function tapped(lines, at, taps) {
  const line = lines[at];
  const loud = line.words.flatMap((word, n) => (sounds(word) ? [n] : []));
  /** @type {number[]} */
  const starts = [];
  for (const tap of taps) starts.push(Math.max(round(tap), (starts[starts.length - 1] ?? -LEAST) + LEAST));
  const words = line.words.map((word, n) => {
    const nth = loud.indexOf(n), start = starts[nth];
    if (nth < 0 || start === undefined) return untimed(word);
    return { ...stretched(word, start, starts[nth + 1] ?? start + USUAL), fixed: true };
  });
  return put(lines, at, withWords({ ...line, start: null, end: null }, words));
}

/** @template {Span & {syllables?: Syllable[], phones?: Span[]}} T @param {T} span @returns {T} */
function untimed(span) {
  const { fixed: _, ...rest } = /** @type {T & {fixed?: boolean}} */ (span);
  const below = span.syllables ? { syllables: span.syllables.map(untimed) } : span.phones ? { phones: span.phones.map(untimed) } : {};
  return /** @type {T} */ ({ ...rest, ...below, start: null, end: null, score: null });
}

/** A line that nobody sings becomes a comment without times; such a comment becomes lyrics again. @param {readonly Line[]} lines @param {number} at @returns {Line[]} */
export function unsung(lines, at) {
  const line = lines[at];
  if (line.kind === "blank" || line.kind === "heading") return [...lines];
  if (isSung(line)) return put(lines, at, { ...line, kind: "comment", words: [], start: null, end: null, score: null });
  const { kind: _, ...rest } = line;
  const words = wordsOf(line.text).map((text) => ({ text, start: null, end: null, score: null, syllables: [] }));
  return put(lines, at, { ...rest, words });
}

/** All timed words of a line are right, or not known to be. @param {readonly Line[]} lines @param {number} at @param {boolean} on @returns {Line[]} */
export function fixed(lines, at, on) {
  const words = lines[at].words.map(({ fixed: _, ...word }) => (on && isTimed(word) ? { ...word, fixed: true } : word));
  return put(lines, at, { ...lines[at], words });
}

/** A syllable in two halves, by its letters. @param {readonly Line[]} lines @param {Place} at @returns {Line[]} */
export function split(lines, at) {
  const word = lines[at.line].words[at.word];
  const parts = word.syllables.length ? word.syllables : [whole(word)];
  const n = at.syllable ?? 0, part = parts[n], letters = [...part.text];
  if (letters.length < 2) return [...lines];
  const cut = Math.ceil(letters.length / 2);
  const halves = divided(part, [letters.slice(0, cut).join(""), letters.slice(cut).join("")]);
  return withWord(lines, at, { ...word, syllables: put(parts, n, ...halves), ...(isTimed(word) ? { fixed: true } : {}) });
}

/** A syllable and the next as one; the last with the one before. @param {readonly Line[]} lines @param {Place} at @returns {Line[]} */
export function merge(lines, at) {
  const word = lines[at.line].words[at.word], parts = word.syllables;
  if (parts.length < 2) return [...lines];
  const n = Math.min(at.syllable ?? 0, parts.length - 2);
  const [a, b] = [parts[n], parts[n + 1]];
  const one = { ...a, text: a.text + b.text, start: a.start ?? b.start, end: b.end ?? a.end, phones: [...a.phones, ...b.phones] };
  const syllables = [...parts.slice(0, n), one, ...parts.slice(n + 2)];
  return withWord(lines, at, { ...word, syllables });
}

/** @param {Word} word @returns {Syllable} */
const whole = (word) => ({ text: word.text, start: word.start, end: word.end, score: word.score, phones: [] });

/** A span in parts of these texts, as long as their letters are many. @param {Span} span @param {string[]} texts @returns {Syllable[]} */
function divided(span, texts) {
  const total = texts.reduce((sum, text) => sum + text.length, 0);
  let letters = 0;
  return texts.map((text) => {
    /** @param {number} n */
    const at = (n) => {
      if (!isTimed(span)) return null;
      return n === 0 ? span.start : n === total ? span.end : within(round(span.start + (span.end - span.start) * n / total), span.start, span.end);
    };
    const part = { text, start: at(letters), end: at(letters + text.length), score: span.score, phones: [] };
    letters += text.length;
    return part;
  });
}

/**
 * A word with another text; "·" and "|" part its syllables, white space parts words, nothing at all removes it.
 * Where only the cuts differ, times of syllables that stay are kept.
 * @param {readonly Line[]} lines @param {Place} at @param {string} text @returns {Line[]}
 */
export function respelled(lines, at, text) {
  const line = lines[at.line], word = line.words[at.word];
  const written = wordsOf(text).filter((one) => one.replace(/[·|]/g, ""));
  const spans = divided(word, written.map((one) => one.replace(/[·|]/g, "")));
  const words = spans.map((span, n) => {
    const parts = written[n].split(/[·|]/).filter(Boolean);
    const syllables = parts.length > 1 || word.syllables.length ? recut(spans.length === 1 ? word.syllables : [], span, parts) : [];
    const { phones: _, ...bare } = span;
    return { ...bare, syllables, ...(word.fixed ? { fixed: true } : {}) };
  });
  return put(lines, at.line, renamed(line, withWords(line, [...line.words.slice(0, at.word), ...words, ...line.words.slice(at.word + 1)]), at.word, words));
}

/** @param {Syllable[]} old @param {Span} span @param {string[]} parts @returns {Syllable[]} */
function recut(old, span, parts) {
  if (parts.length === old.length && old.every((part, n) => part.text === parts[n])) return old;
  if (parts.length === old.length) return old.map((part, n) => ({ ...part, text: parts[n] }));
  return divided(span, parts);
}

/** The text of a line after one of its words became others. @param {Line} old @param {Line} line @param {number} at @param {Word[]} words @returns {Line} */
function renamed(old, line, at, words) {
  let from = 0;
  for (let n = 0; n <= at; n++) from = old.text.indexOf(old.words[n].text, from) + (n < at ? old.words[n].text.length : 0);
  const after = old.text.slice(from + old.words[at].text.length);
  const text = old.text.slice(0, from) + words.map((word) => word.text).join(" ") + (words.length ? after : after.replace(/^\s+/, ""));
  const empty = !wordsOf(text).length;
  return { ...line, text, ...(empty ? { kind: "blank", start: null, end: null } : {}) };
}
