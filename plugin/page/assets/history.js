/**
 * What was, to go back to.
 *
 * @typedef {import("./model.js").Line} Line
 * @typedef {{lines: readonly Line[], said: string}} Step
 */

const MOST = 500; // steps that can be undone

export class History {
  /** @param {readonly Line[]} lines */
  constructor(lines) {
    this.lines = lines;
    /** @type {Step[]} */
    this.past = [];
    /** @type {Step[]} */
    this.future = [];
    this.saved = lines;
  }

  /** Whether there is anything that no file has. */
  get dirty() {
    return this.lines !== this.saved;
  }

  /** @param {readonly Line[]} lines @param {string} said what was done, in words */
  do(lines, said) {
    if (lines === this.lines) return;
    this.past = [...this.past.slice(1 - MOST), { lines: this.lines, said }];
    this.future = [];
    this.lines = lines;
  }

  /** Gives what was undone, or null: there is nothing. */
  undo() {
    return this.step(this.past, this.future);
  }

  /** Gives what was done again. */
  redo() {
    return this.step(this.future, this.past);
  }

  /** @param {Step[]} from @param {Step[]} to */
  step(from, to) {
    const last = from.pop();
    if (!last) return null;
    to.push({ lines: this.lines, said: last.said });
    this.lines = last.lines;
    return last.said;
  }
}
