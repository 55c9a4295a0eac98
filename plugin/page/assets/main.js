/** Starts the page: buttons, keys and lists are tied to what the app does. */
import { App, byId } from "./app.js";
import * as edit from "./edit.js";
import { FORMATS } from "./formats.js";
import { explain, listen } from "./keys.js";
import { element } from "./lyrics.js";
import { Sight } from "./sound.js";

const TINY = 0.01; // seconds, a step of an edge by key

/** @param {App} app @returns {import("./keys.js").Key[]} */
function table(app) {
  return [
    { keys: [" "], says: "Play or pause", run: () => app.player.toggle() },
    { keys: ["ArrowLeft", "ArrowRight"], says: "The word before, the next word", run: () => {} },
    { keys: ["Shift+ArrowLeft", "Shift+ArrowRight"], says: "The syllable before, the next syllable", run: () => {} },
    { keys: ["ArrowUp", "ArrowDown"], says: "The line before, the next line", run: () => {} },
    { keys: ["Enter"], says: "Play the picked line", run: () => app.playLine() },
    { keys: ["n", "p"], says: "The next doubtful line, the one before", run: () => {} },
    { keys: ["k"], says: "The line is right: fix its times", run: () => app.onLine((at) => edit.fixed(app.lines, at, true), "line fixed") },
    { keys: ["Shift+k"], says: "Let go of its times", run: () => app.onLine((at) => edit.fixed(app.lines, at, false), "line let go") },
    { keys: ["l"], says: "Repeat the picked word, or stop that", run: () => app.loop("word") },
    { keys: ["Shift+l"], says: "Repeat the picked line", run: () => app.loop("line") },
    { keys: ["s", "d"], says: "Slower, faster", run: () => {} },
    { keys: ["i", "["], says: "The word begins now", run: () => app.moveTo("start", app.player.time) },
    { keys: ["o", "]"], says: "The word ends now", run: () => app.moveTo("end", app.player.time) },
    { keys: ["Alt+ArrowLeft", "Alt+ArrowRight"], says: "Start of the word 10 ms earlier, later", run: () => {} },
    { keys: ["Alt+Shift+ArrowLeft", "Alt+Shift+ArrowRight"], says: "End of the word 10 ms earlier, later", run: () => {} },
    { keys: ["t"], says: "Tap along with the picked line", run: () => tap(app) },
    { keys: ["e"], says: "Edit the word: · parts syllables", run: () => byId("word-text", HTMLInputElement).select() },
    { keys: ["x"], says: "Split the syllable", run: () => app.onWord((at) => edit.split(app.lines, at), "syllable split") },
    { keys: ["m"], says: "Merge the syllable with the next", run: () => app.onWord((at) => edit.merge(app.lines, at), "syllables merged") },
    { keys: ["u"], says: "Nobody sings the line, or somebody does", run: () => app.onLine((at) => edit.unsung(app.lines, at), "sung or not") },
    { keys: ["Ctrl+z"], says: "Undo", run: () => app.undo() },
    { keys: ["Ctrl+y", "Ctrl+Shift+z"], says: "Redo", run: () => app.redo() },
    { keys: ["+", "-"], says: "Zoom in, out", run: () => {} },
    { keys: ["0"], says: "See everything", run: () => app.timeline.show(0, app.timeline.seconds) },
    { keys: ["v"], says: "Karaoke view", run: () => karaoke() },
    { keys: ["Escape"], says: "Leave the karaoke view", run: () => { if (document.body.classList.contains("karaoke")) karaoke(); } },
    { keys: ["c"], says: "Dark or light", run: () => theme(app) },
    { keys: ["Ctrl+s"], says: "Save in the chosen format", run: () => app.save(byId("format", HTMLSelectElement).value) },
    { keys: ["?"], says: "These keys", run: () => byId("keys", HTMLDialogElement).showModal() },
  ];
}

/** Keys that share a row of the help, each with its own work. @param {App} app @returns {Record<string, () => void>} */
const pairs = (app) => ({
  ArrowLeft: () => app.nextWord(-1), ArrowRight: () => app.nextWord(1),
  "Shift+ArrowLeft": () => app.nextWord(-1, true), "Shift+ArrowRight": () => app.nextWord(1, true),
  ArrowUp: () => app.nextLine(-1), ArrowDown: () => app.nextLine(1),
  n: () => app.nextDoubt(1), p: () => app.nextDoubt(-1),
  s: () => app.player.faster(-1), d: () => app.player.faster(1),
  "Alt+ArrowLeft": () => app.nudge("start", -TINY), "Alt+ArrowRight": () => app.nudge("start", TINY),
  "Alt+Shift+ArrowLeft": () => app.nudge("end", -TINY), "Alt+Shift+ArrowRight": () => app.nudge("end", TINY),
  "+": () => zoom(app, 1.6), "-": () => zoom(app, 1 / 1.6),
});

/** @param {App} app @param {number} factor */
function zoom(app, factor) {
  const { from, to } = app.timeline, { time } = app.player;
  app.timeline.zoom(factor, time >= from && time <= to ? time : undefined);
}

/** @param {App} app */
function tap(app) {
  const at = app.place ?? app.nowPlace();
  app.pick({ line: at.line, word: 0 }, false);
  app.tap.begin(app.lines, at.line);
}

function karaoke() {
  const on = document.body.classList.toggle("karaoke");
  const button = byId("karaoke", HTMLButtonElement);
  button.setAttribute("aria-pressed", String(on));
  for (const covered of document.querySelectorAll("header, main > :not(#stage)")) covered.toggleAttribute("inert", on);
  (on ? byId("leave-karaoke", HTMLButtonElement) : button).focus();
}

/** @param {App} app */
function theme(app) {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  app.timeline.recolour();
}

/** @param {App} app @param {import("./keys.js").Key[]} keys */
function buttons(app, keys) {
  /** @type {Record<string, () => void>} */
  const does = {
    play: () => app.player.toggle(), loop: () => app.loop("word"), "zoom-in": () => zoom(app, 1.6), "zoom-out": () => zoom(app, 1 / 1.6),
    fit: () => app.timeline.show(0, app.timeline.seconds), karaoke, theme: () => theme(app), help: () => byId("keys", HTMLDialogElement).showModal(),
    undo: () => app.undo(), redo: () => app.redo(), save: () => app.save(byId("format", HTMLSelectElement).value), tap: () => tap(app),
    "tap-now": () => app.tap.tap(), "tap-stop": () => app.tap.end(false), doubt: () => app.nextDoubt(1), "leave-karaoke": karaoke,
  };
  for (const [id, key] of /** @type {const} */ ([["fix", "k"], ["free", "Shift+k"], ["split", "x"], ["merge", "m"], ["unsing", "u"]]))
    does[id] = keys.find((one) => one.keys.includes(key))?.run ?? (() => {});
  for (const [id, run] of Object.entries(does)) byId(id, HTMLButtonElement).addEventListener("click", run);
}

/** Clicks on a line or a word, in any of the lists. @param {App} app */
function lists(app) {
  byId("lyrics", HTMLElement).addEventListener("click", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const row = target.closest("li"), line = Number(row?.dataset.line);
    const word = /** @type {HTMLElement | null} */ (target.closest("[data-word]"));
    if (row && (word || target.closest("button"))) app.pick({ line, word: Number(word?.dataset.word ?? 0) }, true);
  });
  byId("aside", HTMLElement).addEventListener("click", (event) => {
    const button = /** @type {HTMLElement} */ (event.target).closest("button");
    if (button) app.look(Number(button.dataset.line));
  });
}

/** @param {App} app */
function controls(app) {
  const speed = byId("speed", HTMLSelectElement), format = byId("format", HTMLSelectElement);
  speed.addEventListener("change", () => { app.player.audio.playbackRate = Number(speed.value); });
  format.append(...Object.entries(FORMATS).map(([value, { title }]) => element("option", { value, textContent: title })));
  byId("overview", HTMLCanvasElement).addEventListener("keydown", (event) => {
    const steps = /** @type {Record<string, number>} */ ({ ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageUp: 30, PageDown: -30, Home: -Infinity, End: Infinity });
    if (!(event.key in steps) || event.altKey || event.ctrlKey) return;
    event.preventDefault();
    app.player.jump(Math.min(app.timeline.seconds, Math.max(0, app.player.time + steps[event.key])));
    app.timeline.reveal(app.player.time);
  });
  app.player.audio.addEventListener("error", () => app.say("The sound cannot be played: is its file still beside this page?"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => app.timeline.recolour());
  addEventListener("beforeunload", (event) => { if (app.history.dirty) event.preventDefault(); });
}

async function start() {
  const data = /** @type {import("./app.js").Data} */ (JSON.parse(byId("data", HTMLElement).textContent ?? ""));
  const app = new App(data, await new Sight(data.picture).open());
  const keys = table(app), own = pairs(app);
  explain(byId("keys-list", HTMLElement), keys);
  listen(keys.flatMap((key) => key.keys.map((name) => ({ ...key, keys: [name], run: own[name] ?? key.run }))), () => byId("letters", HTMLInputElement).checked);
  buttons(app, keys);
  lists(app);
  controls(app);
  performance.mark("ready");
  document.documentElement.dataset.ready = "yes";
}

void start();
