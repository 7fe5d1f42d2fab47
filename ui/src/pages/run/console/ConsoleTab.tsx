/** What the program printed: coloured, searched, followed while it goes on. Only lines on the screen are drawn. */

import { ActionIcon, Button, SegmentedControl, TextInput, Tooltip } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { get } from "../../../api/client";
import { listen } from "../../../api/live";
import type { RunDetail } from "../../../api/types";
import { things } from "../../../format/numbers";
import { exact } from "../../../format/time";
import { Icon } from "../../../shell/Icons";
import { Trouble } from "../../../shell/Trouble";
import { useSearchState } from "../../../state/search";
import { Empty, saveText } from "../parts";
import { type Piece, pieces, plainText } from "./ansi";
import styles from "./Console.module.css";
import { type ConsoleLine, ConsoleLines, PAGE } from "./lines";

interface Page {
  lines: ConsoleLine[];
  total: number;
}

export function ConsoleTab({ run }: { run: RunDetail }) {
  const { lines, version, error, ask, askAll } = useConsole(run);
  const [search, setSearch] = useSearchState();
  const [at, setAt] = useState(0);
  const source = search.source ?? "";
  const wanted = search.find ?? "";
  const filtered = source !== "";
  useEffect(() => {
    if (wanted || filtered) askAll();
  }, [wanted, filtered, askAll]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the lines change in place, and say so by their version
  const shown = useMemo(() => {
    return filtered ? lines.all().filter((line) => line.source === source) : null;
  }, [lines, version, source, filtered]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the same
  const hits = useMemo(() => {
    const text = wanted.toLowerCase();
    if (!text) return [];
    const all = shown ?? Array.from({ length: lines.total }, (_, index) => lines.at(index));
    return all.flatMap((line, index) => (line && plainText(line.text).toLowerCase().includes(text) ? [index] : []));
  }, [lines, version, wanted, shown]);
  const hit = hits.length ? (hits[((at % hits.length) + hits.length) % hits.length] ?? null) : null;
  if (error && !lines.total) return <Trouble error={error} />;
  if (version > 0 && !lines.total) {
    return (
      <Empty title="Nothing was printed">
        <p>What a program writes to its standard output and standard error stands here, line by line, as it comes.</p>
      </Empty>
    );
  }
  const step = (by: number) => setAt(hit === null ? 0 : ((at % hits.length) + hits.length + by) % hits.length);
  return (
    <div className={styles.page}>
      <div className={styles.bar}>
        <TextInput
          size="xs"
          className={styles.find ?? ""}
          aria-label="Find in the console"
          placeholder="Find"
          leftSection={<Icon name="search" size={13} />}
          value={wanted}
          onChange={(event) => {
            setAt(0);
            setSearch({ find: event.currentTarget.value || undefined });
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
          }}
        />
        {wanted && (
          <span className={styles.hits} role="status">
            {hits.length ? `${(((at % hits.length) + hits.length) % hits.length) + 1} of ${hits.length}` : "none"}
            <ActionIcon variant="subtle" color="gray" size="sm" aria-label="The hit before" onClick={() => step(-1)}>
              <Icon name="up" size={13} />
            </ActionIcon>
            <ActionIcon variant="subtle" color="gray" size="sm" aria-label="The next hit" onClick={() => step(1)}>
              <Icon name="down" size={13} />
            </ActionIcon>
          </span>
        )}
        <SegmentedControl
          size="xs"
          aria-label="Which stream"
          value={source}
          onChange={(value) => setSearch({ source: value || undefined })}
          data={[
            { value: "", label: "Both" },
            { value: "stdout", label: "stdout" },
            { value: "stderr", label: "stderr" },
          ]}
        />
        <span className={styles.count}>{things(shown?.length ?? lines.total, "line")}</span>
        <Save run={run} lines={lines} askAll={askAll} />
      </div>
      <Lines
        lines={lines}
        shown={shown}
        version={version}
        ask={ask}
        wanted={wanted}
        hit={hit}
        running={run.state === "running"}
      />
    </div>
  );
}

function Save({ run, lines, askAll }: { run: RunDetail; lines: ConsoleLines; askAll: () => Promise<void> }) {
  const save = async () => {
    await askAll();
    const text = lines
      .all()
      .map((line) => plainText(line.text))
      .join("\n");
    saveText(`${run.id}-console.txt`, `${text}\n`);
  };
  return (
    <Tooltip label="Save as text">
      <ActionIcon variant="subtle" color="gray" aria-label="Save the console as text" onClick={save}>
        <Icon name="download" size={15} />
      </ActionIcon>
    </Tooltip>
  );
}

/** Lines of the run, read from the end, and what is printed meanwhile. */
function useConsole(run: RunDetail) {
  const [lines] = useState(() => new ConsoleLines());
  const [version, setVersion] = useState(0);
  const [error, setError] = useState<unknown>(null);
  const asked = useRef(new Set<number>());
  const { id } = run;
  const load = useCallback(
    async (start: number | undefined) => {
      try {
        const page = await get<Page>(`/runs/${encodeURIComponent(id)}/console`, { start, limit: PAGE });
        lines.take(page.lines, start ?? Math.max(page.total - PAGE, 0), page.total);
        setVersion((before) => before + 1);
      } catch (failure) {
        if (start !== undefined) asked.current.delete(start);
        setError(failure);
      }
    },
    [id, lines],
  );
  const ask = useCallback(
    (from: number, to: number) => {
      const start = lines.missing(from, to);
      if (start === null || asked.current.has(start)) return;
      asked.current.add(start);
      void load(start);
    },
    [lines, load],
  );
  const askAll = useCallback(async () => {
    for (let start = 0; start < lines.total; start += PAGE) {
      if (lines.missing(start, start + PAGE) !== null && !asked.current.has(start)) {
        asked.current.add(start);
        await load(start);
      }
    }
  }, [lines, load]);
  const running = run.state === "running";
  useEffect(() => {
    if (!running) {
      void load(undefined);
      return;
    }
    // The stream first: what is read after its beginning misses nothing.
    return listen(
      { runs: [id], keys: [], x: "_step", console: true },
      {
        hello: () => void load(undefined),
        console: (news) => {
          if (news.run !== id) return;
          lines.add(news.lines);
          setVersion((before) => before + 1);
        },
      },
    );
  }, [id, running, lines, load]);
  return { lines, version, error, ask, askAll };
}

interface LinesProps {
  lines: ConsoleLines;
  shown: ConsoleLine[] | null;
  version: number;
  ask: (from: number, to: number) => void;
  wanted: string;
  hit: number | null;
  running: boolean;
}

const ROW = 19;

function Lines({ lines, shown, version, ask, wanted, hit, running }: LinesProps) {
  const host = useRef<HTMLDivElement>(null);
  const [following, setFollowing] = useState(true);
  const total = shown?.length ?? lines.total;
  const rows = useVirtualizer({
    count: total,
    getScrollElement: () => host.current,
    estimateSize: () => ROW,
    overscan: 30,
    useFlushSync: false,
  });
  const items = rows.getVirtualItems();
  const [first, last] = [items[0]?.index ?? 0, items.at(-1)?.index ?? 0];
  useEffect(() => {
    if (!shown) ask(first, last + 1);
  }, [ask, first, last, shown]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: new lines, too, are a reason to go to the end
  useEffect(() => {
    if (following && total) rows.scrollToIndex(total - 1, { align: "end" });
  }, [following, total, version]);
  useEffect(() => {
    if (hit === null) return;
    setFollowing(false);
    rows.scrollToIndex(hit, { align: "center" });
  }, [hit, rows]);
  const scrolled = () => {
    const element = host.current;
    if (!element) return;
    const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 2 * ROW;
    if (!atEnd) setFollowing(false);
  };
  return (
    <div className={styles.frame}>
      <section
        ref={host}
        className={styles.lines}
        tabIndex={0}
        aria-label="Console"
        onWheel={scrolled}
        onKeyUp={scrolled}
      >
        <div style={{ height: rows.getTotalSize(), position: "relative", minWidth: "100%" }}>
          {items.map((item) => (
            <div
              key={item.key}
              ref={rows.measureElement}
              data-index={item.index}
              className={styles.line}
              style={{ transform: `translateY(${item.start}px)` }}
            >
              <Row
                line={shown ? shown[item.index] : lines.at(item.index)}
                wanted={wanted}
                chosen={item.index === hit}
              />
            </div>
          ))}
        </div>
      </section>
      {!following && (
        <Button
          className={styles.follow ?? ""}
          size="xs"
          leftSection={<Icon name="down" size={13} />}
          onClick={() => setFollowing(true)}
        >
          {running ? "Follow" : "To the end"}
        </Button>
      )}
    </div>
  );
}

const Row = memo(
  function Row({ line, wanted, chosen }: { line: ConsoleLine | undefined; wanted: string; chosen: boolean }) {
    if (!line) return <span className={styles.text}>…</span>;
    return (
      <>
        <span className={styles.number} title={exact(line.time_us)}>
          {line.number + 1}
        </span>
        {line.source === "stderr" ? (
          <span className={styles.err} title="standard error">
            err
          </span>
        ) : (
          <span className={styles.err} />
        )}
        <span className={styles.text} data-chosen={chosen || undefined}>
          {pieces(line.text).map((piece, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: pieces of one text have no other name
            <Coloured key={at} piece={piece} wanted={wanted} />
          ))}
        </span>
      </>
    );
  },
  (a, b) => a.line?.text === b.line?.text && a.wanted === b.wanted && a.chosen === b.chosen && a.line === b.line,
);

function Coloured({ piece, wanted }: { piece: Piece; wanted: string }) {
  const { text, colour, background, bold, dim, italic, underline } = piece;
  const named = [bold && styles.bold, dim && styles.dim, italic && styles.italic, underline && styles.underline].filter(
    Boolean,
  );
  const style = {
    ...(colour ? { color: ink(colour) } : {}),
    ...(background ? { backgroundColor: wash(background) } : {}),
  };
  return (
    <span className={named.join(" ")} style={style}>
      {wanted ? <Marked text={text} wanted={wanted} /> : text}
    </span>
  );
}

const isExact = (colour: string) => colour.startsWith("rgb");

const ink = (colour: string) =>
  isExact(colour) ? `color-mix(in srgb, ${colour} 58%, var(--text))` : `var(--ansi-${colour})`;

function wash(colour: string): string {
  if (isExact(colour)) return `color-mix(in srgb, ${colour} 30%, transparent)`;
  const share = colour.startsWith("bright-") ? "--ansi-bright-wash" : "--ansi-wash";
  return `color-mix(in srgb, var(--ansi-${colour}) var(${share}), transparent)`;
}

function Marked({ text, wanted }: { text: string; wanted: string }) {
  const parts: React.ReactNode[] = [];
  const lower = text.toLowerCase();
  let at = 0;
  for (let next = lower.indexOf(wanted.toLowerCase()); next >= 0; next = lower.indexOf(wanted.toLowerCase(), at)) {
    parts.push(text.slice(at, next), <mark key={next}>{text.slice(next, next + wanted.length)}</mark>);
    at = next + wanted.length;
  }
  parts.push(text.slice(at));
  return parts;
}
