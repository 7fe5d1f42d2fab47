/** What keys do: the list that "?" shows. */

export interface Key {
  /** Alternatives, each a chord of keys. */
  keys: readonly (readonly string[])[];
  does: string;
}

const MOD = typeof navigator !== "undefined" && /mac|iphone|ipad/i.test(navigator.userAgent) ? "⌘" : "Ctrl";

export const KEYS: readonly { title: string; keys: readonly Key[] }[] = [
  {
    title: "Everywhere",
    keys: [
      { keys: [[MOD, "K"]], does: "find runs, metrics, pages and commands" },
      { keys: [["?"]], does: "these keys" },
      { keys: [["Esc"]], does: "close what is open" },
    ],
  },
  {
    title: "In a project",
    keys: [
      { keys: [["/"]], does: "the filter" },
      { keys: [["Esc"]], does: "out of a zoom" },
      { keys: [["g"]], does: "all projects" },
      { keys: [["←"], ["→"]], does: "on the bar between the sides: its place" },
      { keys: [["Shift", "Enter"]], does: "on a column's head: sort by that column, too" },
    ],
  },
  {
    title: "In a run",
    keys: [
      { keys: [["←"], ["→"]], does: "on tabs: the next one; on a step slider: the next step" },
      { keys: [["Enter"]], does: "in the console's search: the next hit" },
    ],
  },
];
