/** Times for people. */

/** Seconds as 850 ms, 12 s, 3 m 20 s, 2 h 5 m, 3 d 4 h. */
export function duration(seconds: number): string {
  if (seconds < 0) return `−${duration(-seconds)}`; // what was logged before its run began: clocks differ
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1).replace(/\.0$/, "") : Math.round(seconds)} s`;
  const parts: [number, string][] = [
    [86_400, "d"],
    [3600, "h"],
    [60, "m"],
    [1, "s"],
  ];
  const first = parts.findIndex(([size]) => seconds >= size);
  let left = Math.round(seconds);
  return parts
    .slice(first, first + 2)
    .map(([size, word]) => {
      const whole = Math.floor(left / size);
      left -= whole * size;
      return `${whole} ${word}`;
    })
    .filter((text) => !text.startsWith("0 "))
    .join(" ");
}

/** How long ago, roughly. */
export function ago(us: number, nowMs = Date.now()): string {
  const seconds = (nowMs - us / 1000) / 1000;
  if (seconds < 5) return "now";
  if (seconds < 60) return `${Math.round(seconds)} s ago`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  if (seconds < 30 * 86_400) return `${Math.round(seconds / 86_400)} d ago`;
  return day(us);
}

export function day(us: number): string {
  return new Date(us / 1000).toLocaleDateString("en-CA");
}

export function exact(us: number): string {
  const time = new Date(us / 1000);
  return `${time.toLocaleDateString("en-CA")} ${time.toLocaleTimeString("en-GB")}`;
}
