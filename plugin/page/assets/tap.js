/**
 * Timing by tapping along: one tap where each word of a line begins, one where the last ends.
 *
 * @typedef {import("./model.js").Line} Line
 */
import { isTimed, sounds } from "./model.js";

const AHEAD = 2; // seconds that are heard before the line

export class Tap {
  /**
   * @param {HTMLElement} banner @param {HTMLElement} next @param {import("./player.js").Player} player
   * @param {(line: number, taps: number[]) => void} done
   */
  constructor(banner, next, player, done) {
    this.banner = banner;
    this.next = next;
    this.player = player;
    this.done = done;
    this.line = -1;
    /** @type {number[]} */
    this.taps = [];
    /** @type {string[]} */
    this.words = [];
    document.addEventListener("keydown", (event) => this.key(event), true);
  }

  get on() {
    return this.line >= 0;
  }

  /** @param {readonly Line[]} lines @param {number} line */
  begin(lines, line) {
    this.words = lines[line].words.filter(sounds).map((word) => word.text);
    if (!this.words.length) return;
    const before = lines.slice(0, line).filter(isTimed);
    const from = lines[line].start ?? before.reduce((last, one) => Math.max(last, one.end), 0);
    this.line = line;
    this.taps = [];
    this.banner.hidden = false;
    this.tell();
    this.player.repeat(null);
    this.player.jump(from - AHEAD);
    this.player.start();
  }

  tap() {
    const time = this.player.time, last = this.taps[this.taps.length - 1] ?? -1;
    if (time <= last) return;
    this.taps.push(time);
    if (this.taps.length > this.words.length) this.end(true); else this.tell();
  }

  /** @param {boolean} kept */
  end(kept) {
    const line = this.line;
    this.line = -1;
    this.banner.hidden = true;
    this.player.toggle();
    if (kept) this.done(line, this.taps);
  }

  tell() {
    const word = this.words[this.taps.length];
    this.next.textContent = word === undefined ? "Tap where the line ends" : `Tap where this begins: ${word.slice(0, 60)}`;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (!this.on || event.repeat) return;
    if ([" ", "Enter"].includes(event.key)) this.tap();
    else if (event.key === "Escape") this.end(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
