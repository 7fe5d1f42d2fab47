/** The button and the keys that open the palette and the list of keys; both are loaded when they are first wanted. */
import { ActionIcon, Tooltip } from "@mantine/core";
import { lazy, Suspense, useCallback, useEffect, useState } from "react";
import { Icon } from "../Icons";
import { Later } from "../Later";

const load = () => import("./Palette");
const Palette = lazy(async () => ({ default: (await load()).Palette }));

// When the page has long been there: whoever types at once after the keys must not lose a letter.
const READY_MS = 2500;
const KeyList = lazy(async () => ({ default: (await import("./KeyList")).KeyList }));

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** The keys are heard from the start; the button, whose room the bar keeps, comes with the others. */
export function Finder() {
  const [open, setOpen] = useState<"palette" | "keys" | null>(null);
  const close = useCallback(() => setOpen((now) => (now === "palette" ? null : now)), []);
  const keys = useCallback(() => setOpen("keys"), []);
  useEffect(() => {
    const hear = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey) {
        event.preventDefault(); // a browser's own search
        setOpen((now) => (now === "palette" ? null : "palette"));
      } else if (event.key === "?" && !isTyping(event.target)) {
        setOpen("keys");
      }
    };
    document.addEventListener("keydown", hear);
    return () => document.removeEventListener("keydown", hear);
  }, []);
  useEffect(() => {
    const timer = setTimeout(() => void load().catch(() => {}), READY_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <>
      <Later room={null}>
        {() => (
          <Tooltip label="Search and commands (Ctrl+K)">
            <ActionIcon
              variant="subtle"
              color="gray"
              aria-label="Search and commands"
              onClick={() => setOpen("palette")}
            >
              <Icon name="search" />
            </ActionIcon>
          </Tooltip>
        )}
      </Later>
      <Suspense fallback={null}>
        {open === "palette" && <Palette onClose={close} onKeys={keys} />}
        {open === "keys" && <KeyList onClose={() => setOpen(null)} />}
      </Suspense>
    </>
  );
}
