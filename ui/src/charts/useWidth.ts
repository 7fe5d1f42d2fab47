/** How wide an element is, whole px: known before it is painted for the first time, so that nothing is drawn twice. */
import { type RefCallback, useCallback, useState } from "react";

export function useWidth<T extends HTMLElement>(): [RefCallback<T>, number] {
  const [width, setWidth] = useState(0);
  const ref = useCallback((element: T | null) => {
    if (!element) return;
    setWidth(Math.floor(element.getBoundingClientRect().width)); // these have no padding
    const sizes = new ResizeObserver(([entry]) => entry && setWidth(Math.floor(entry.contentRect.width)));
    sizes.observe(element);
    return () => sizes.disconnect();
  }, []);
  return [ref, width];
}
