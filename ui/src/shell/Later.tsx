/**
 * What a first glance does not need, such as fields and buttons: put together once what it needs has been painted.
 * Until then its room is kept, so that nothing moves when it comes.
 */
import { createContext, type ReactNode, startTransition, useContext, useEffect, useState } from "react";

/** Where nobody says otherwise nothing waits. */
const Time = createContext(true);

/** A page in the background has no frames. */
const LONGEST_MS = 400;

export function LaterTime({ children }: { children: ReactNode }) {
  const [isTime, setTime] = useState(false);
  useEffect(() => {
    const go = () => startTransition(() => setTime(true));
    const timer = setTimeout(go, LONGEST_MS);
    // The second frame tells that the first one has been painted.
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(go)));
    return () => clearTimeout(timer);
  }, []);
  return <Time value={isTime}>{children}</Time>;
}

interface Props {
  /** What keeps the room. */
  room: ReactNode;
  children: () => ReactNode;
}

export function Later({ room, children }: Props) {
  return useContext(Time) ? children() : room;
}
