/** The sound: plays, jumps, repeats, slower with the same pitch. */

const SPEEDS = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2];

export class Player {
  /** @param {HTMLAudioElement} audio @param {() => void} changed */
  constructor(audio, changed) {
    this.audio = audio;
    /** @type {[number, number] | null} seconds that are repeated */
    this.loop = null;
    /** @type {number | null} where it stops */
    this.until = null;
    this.changed = changed;
    audio.preservesPitch = true;
    for (const name of ["play", "pause", "seeked", "ratechange", "loadedmetadata"]) audio.addEventListener(name, () => changed());
    const onward = () => {
      this.watch();
      if (!audio.paused) changed();
      requestAnimationFrame(onward);
    };
    requestAnimationFrame(onward);
  }

  get time() {
    return this.audio.currentTime;
  }

  get playing() {
    return !this.audio.paused;
  }

  /** Back to the start of the loop, and no farther than asked. */
  watch() {
    if (!this.playing) return;
    if (this.until !== null && this.time >= this.until) {
      this.until = null;
      this.audio.pause();
    } else if (this.loop && (this.time >= this.loop[1] || this.time < this.loop[0] - 0.5)) this.audio.currentTime = this.loop[0];
  }

  toggle() {
    this.until = null;
    if (this.playing) this.audio.pause(); else this.start();
  }

  start() {
    void this.audio.play().catch(() => this.changed());
  }

  /** @param {number} time */
  jump(time) {
    this.until = null;
    this.audio.currentTime = Math.max(0, time);
    this.changed();
  }

  /** Plays these seconds once. @param {number} from @param {number} to */
  playOnce(from, to) {
    this.jump(from);
    this.until = to;
    this.start();
  }

  /** Repeats these seconds; null: goes on. @param {[number, number] | null} loop */
  repeat(loop) {
    this.loop = loop && [Math.max(0, loop[0]), Math.max(loop[1], loop[0] + 0.15)];
    if (this.loop) {
      this.jump(this.loop[0]);
      this.start();
    }
    this.changed();
  }

  /** @param {1 | -1} step */
  faster(step) {
    const at = SPEEDS.reduce((best, speed, n) => (Math.abs(speed - this.audio.playbackRate) < Math.abs(SPEEDS[best] - this.audio.playbackRate) ? n : best), 0);
    this.audio.playbackRate = SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, at + step))];
  }
}
