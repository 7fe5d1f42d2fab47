/** The parts of a page as tabs in one line. Where they do not all fit, the one that is shown is brought into sight. */
import { Tabs } from "@mantine/core";
import { type ReactNode, Suspense, useEffect, useRef } from "react";
import styles from "./PartTabs.module.css";

interface PartTabsProps {
  /** What they are parts of, for those who cannot see it. */
  label: string;
  /** In their order; the first has the id "". */
  parts: readonly { id: string; label: string }[];
  /** Id of the part that is shown. */
  now: string;
  /** Gets the id of a part, nothing for the first: it is what an address leaves out. */
  onChange: (part: string | undefined) => void;
  /** Whether the tabs stand among other things, and do not fill what is left of the window. */
  within?: boolean;
  /** Whether what is shown scrolls by itself where it is longer than its place. */
  scrolls?: boolean;
  children: ReactNode;
}

const FIRST = "first";

export function PartTabs({ label, parts, now, onChange, within, scrolls, children }: PartTabsProps) {
  const list = useRef<HTMLDivElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another part is another tab
  useEffect(() => {
    const tab = list.current?.querySelector<HTMLElement>("[data-active]");
    if (list.current && tab)
      list.current.scrollLeft = tab.offsetLeft - (list.current.clientWidth - tab.offsetWidth) / 2;
  }, [now]);
  return (
    <Tabs
      value={now || FIRST}
      onChange={(part) => onChange(part === FIRST || part === null ? undefined : part)}
      className={styles.tabs ?? ""}
      mod={{ within }}
      keepMounted={false}
      activateTabWithKeyboard={false}
    >
      <Tabs.List ref={list} className={styles.list ?? ""} aria-label={label}>
        {parts.map((part) => (
          <Tabs.Tab key={part.id} value={part.id || FIRST} className={styles.tab ?? ""}>
            {part.label}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      <Tabs.Panel value={now || FIRST} className={styles.panel ?? ""} mod={{ scrolls }}>
        <Suspense fallback={null}>{children}</Suspense>
      </Tabs.Panel>
    </Tabs>
  );
}
