/**
 * The keyboard: one table, which the help is made of too.
 *
 * @typedef {{keys: string[], says: string, run: () => void}} Key keys: as `named` has them
 */
import { element } from "./lyrics.js";

/** A key as the table has it: "Ctrl+Z", "Shift+L", "n", " ". @param {KeyboardEvent} event */
function named(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const letter = event.key.length > 1 || /[a-z]/.test(key);
  return `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${event.altKey ? "Alt+" : ""}${event.shiftKey && letter ? "Shift+" : ""}${key}`;
}

/** What a person reads. @param {string} key */
const shown = (key) => key.replace(" ", "Space").replace("ArrowLeft", "←").replace("ArrowRight", "→").replace("ArrowUp", "↑").replace("ArrowDown", "↓");

/** Whether a key belongs to what has the focus. @param {KeyboardEvent} event */
function taken(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.matches("input:not([type=checkbox]), textarea")) return true;
  if (target.matches("select")) return !event.ctrlKey && !event.altKey;
  if (target.matches("button, summary, a, input")) return [" ", "Enter"].includes(event.key);
  return false;
}

/** @param {Key[]} table @param {() => boolean} on whether letters alone do anything */
export function listen(table, on) {
  const byName = new Map(table.flatMap((key) => key.keys.map((name) => /** @type {[string, Key]} */ ([name, key]))));
  document.addEventListener("keydown", (event) => {
    if (taken(event) || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const key = byName.get(named(event));
    if (!key || (event.key.length === 1 && !event.ctrlKey && !event.metaKey && event.key !== " " && !on())) return;
    event.preventDefault();
    key.run();
  });
}

/** @param {HTMLElement} list a `dl` @param {Key[]} table */
export function explain(list, table) {
  list.replaceChildren(...table.flatMap((key) => [
    element("dt", {}, ...key.keys.flatMap((name, n) => [n ? " " : "", element("kbd", { textContent: shown(name) })])),
    element("dd", { textContent: key.says }),
  ]));
}
