/** Which places are on the screen or nearly so. */
import { useCallback, useEffect, useRef, useState } from "react";

function after(
  before: ReadonlySet<string>,
  entries: readonly IntersectionObserverEntry[],
  names: ReadonlyMap<Element, string>,
): ReadonlySet<string> {
  const out = new Set(before);
  for (const { target, isIntersecting } of entries) {
    const name = names.get(target);
    if (name === undefined) continue;
    // A place that is gone has no size; another one of its name may be on the screen.
    if (isIntersecting) out.add(name);
    else if (target.isConnected) out.delete(name);
  }
  return out;
}

export function useSeen(): [ReadonlySet<string>, (element: HTMLElement | null, name: string) => void] {
  const [seen, setSeen] = useState<ReadonlySet<string>>(new Set());
  const names = useRef(new Map<Element, string>());
  const observer = useRef<IntersectionObserver | null>(null);
  const observe = useCallback(() => {
    observer.current ??= new IntersectionObserver(
      (entries) => {
        setSeen((before) => after(before, entries, names.current));
      },
      { rootMargin: "120px 0px" },
    );
    return observer.current;
  }, []);
  useEffect(
    () => () => {
      observer.current?.disconnect();
      observer.current = null;
    },
    [],
  );
  const see = useCallback(
    (element: HTMLElement | null, name: string) => {
      if (!element || names.current.get(element) === name) return;
      names.current.set(element, name);
      observe().observe(element);
    },
    [observe],
  );
  return [seen, see];
}
