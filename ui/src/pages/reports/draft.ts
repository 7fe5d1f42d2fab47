/** What somebody has written and not saved, kept in the browser. */
import type { Report } from "./api";

export interface Draft {
  /** The version that was changed. */
  version: number;
  title: string;
  text: string;
}

const nameOf = (id: string) => `treering.draft.${id}`;

export function keepDraft(id: string, draft: Draft): void {
  try {
    localStorage.setItem(nameOf(id), JSON.stringify(draft));
  } catch {} // the browser keeps nothing, or has no room: what is on the page stays
}

export function dropDraft(id: string): void {
  try {
    localStorage.removeItem(nameOf(id));
  } catch {}
}

/** The draft of a report; null when there is none, or when it says what the report says. */
export function readDraft(report: Pick<Report, "id" | "title" | "text">): Draft | null {
  try {
    const found = JSON.parse(localStorage.getItem(nameOf(report.id)) ?? "null") as Partial<Draft> | null;
    if (typeof found?.version !== "number" || typeof found.title !== "string" || typeof found.text !== "string") {
      return null;
    }
    const { version, title, text } = found;
    return title === report.title && text === report.text ? null : { version, title, text };
  } catch {
    return null;
  }
}
