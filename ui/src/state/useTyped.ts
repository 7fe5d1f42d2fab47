/** A text that is typed here and kept in the address: no letter is lost while the address lags behind. */
import { useEffect, useRef, useState } from "react";

export interface Typed {
  text: string;
  /** A letter more or less; it is sent when no other follows for a while. */
  write: (next: string) => void;
  /** Send at once. */
  send: (next: string) => void;
}

/** `value` is what the address says, `onChange` changes it; `waitMs` is how long a pause in typing is. */
export function useTyped(value: string, onChange: (text: string) => void, waitMs: number): Typed {
  const [text, setText] = useState(value);
  const [seen, setSeen] = useState(value);
  // What was sent from here and is not in the address yet, which follows when the page has time.
  const [sent, setSent] = useState<readonly string[]>([]);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  if (value !== seen) {
    setSeen(value);
    setSent(sent.slice(sent.lastIndexOf(value) + 1));
    // Changed from elsewhere: a click in the table, the way back.
    if (!sent.includes(value)) setText(value);
  }
  useEffect(() => () => clearTimeout(timer.current), []);
  const put = (next: string) => {
    clearTimeout(timer.current);
    if (next !== (sent.at(-1) ?? value)) setSent([...sent, next]);
    onChange(next);
  };
  return {
    text,
    write: (next) => {
      setText(next);
      clearTimeout(timer.current);
      timer.current = setTimeout(() => put(next.trim()), waitMs);
    },
    send: (next) => {
      setText(next);
      put(next.trim());
    },
  };
}
