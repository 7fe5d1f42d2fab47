/** Which entries fit what was typed, the best first. */

export interface Entry {
  id: string;
  group: string;
  label: string;
  /** Beside the label, dimmed. */
  note?: string;
  /** More words to find it by. */
  words?: string;
  run: () => void;
}

/** How well a text fits: higher is better; null when a word is not in it. */
export function suits(text: string, typed: string): number | null {
  const whole = text.toLowerCase();
  let score = 0;
  for (const word of typed.toLowerCase().split(/\s+/).filter(Boolean)) {
    const at = whole.indexOf(word);
    if (at < 0) return null;
    score += 10;
    if (at === 0) score += 6;
    else if (/[\s/._:-]/.test(whole[at - 1] ?? "")) score += 4;
  }
  // Of two that fit as well, the shorter one is more likely meant.
  return score - whole.length / 200;
}

export interface Group {
  title: string;
  entries: Entry[];
}

/** Groups in order of their best entry; with nothing typed as they were given. */
export function groups(entries: readonly Entry[], typed: string, most = 7): Group[] {
  const found = entries.flatMap((entry) => {
    const own = suits(entry.label, typed);
    const wide = own ?? suits(`${entry.label} ${entry.words ?? ""} ${entry.note ?? ""}`, typed);
    return wide === null ? [] : [{ entry, score: own === null ? wide - 5 : wide }];
  });
  const byTitle = new Map<string, { entry: Entry; score: number }[]>();
  for (const one of found) byTitle.set(one.entry.group, [...(byTitle.get(one.entry.group) ?? []), one]);
  const sorted = [...byTitle].map(([title, ones]) => ({
    title,
    best: Math.max(...ones.map((one) => one.score)),
    entries: (typed.trim() ? ones.sort((a, b) => b.score - a.score) : ones).slice(0, most).map((one) => one.entry),
  }));
  if (typed.trim()) sorted.sort((a, b) => b.best - a.best);
  return sorted;
}

/** What was typed as a text of the filter language. */
export function literal(text: string): string {
  return `'${text.replace(/['\\]/g, "\\$&")}'`;
}
