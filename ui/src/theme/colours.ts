/** Which colours the page has: chosen by a person, or as the system says. */
import { isMantineColorScheme, type MantineColorSchemeManager } from "@mantine/core";

const KEY = "treering.colours"; // boot.js reads it, too

export const colours: MantineColorSchemeManager = {
  get(otherwise) {
    try {
      const kept = localStorage.getItem(KEY);
      return isMantineColorScheme(kept) ? kept : otherwise;
    } catch {
      return otherwise;
    }
  },
  set(value) {
    try {
      localStorage.setItem(KEY, value);
    } catch {
      // Without storage it holds until the page is loaded again.
    }
  },
  subscribe() {},
  unsubscribe() {},
  clear() {
    localStorage.removeItem(KEY);
  },
};
