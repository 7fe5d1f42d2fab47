/** The code that ran: its source, and what differed from the commit. */
import { SegmentedControl, UnstyledButton } from "@mantine/core";
import { useMemo } from "react";
import type { RunDetail } from "../../../api/types";
import { Icon } from "../../../shell/Icons";
import { Trouble } from "../../../shell/Trouble";
import { useSearchState } from "../../../state/search";
import type { Capture } from "../overview/reproduce";
import { Copy, Empty, Panel, saveText } from "../parts";
import { useOfRun } from "../useRun";
import styles from "./Code.module.css";
import { readPatch } from "./diff";
import { MOST_LINES, PatchView } from "./PatchView";

export function CodeTab({ run }: { run: RunDetail }) {
  const { data, error } = useOfRun<Capture>(run.id, "capture");
  const [search, setSearch] = useSearchState();
  const files = useMemo(() => readPatch(data?.git?.diff ?? ""), [data]);
  if (error && !data) return <Trouble error={error} />;
  if (!data) return null;
  const sources = sourcesOf(data);
  if (!sources.length && !files.length) {
    return (
      <Empty title="No code was kept">
        <p>The program&apos;s file and, in a git repository, what differs from the commit are kept with each run.</p>
      </Empty>
    );
  }
  const both = files.length > 0 && sources.length > 0;
  const changes = files.length > 0 && (!both || search.part !== "source");
  return (
    <div className={styles.page}>
      <div className={styles.bar}>
        {both && (
          <SegmentedControl
            size="xs"
            aria-label="What to show"
            value={changes ? "changes" : "source"}
            onChange={(value) => setSearch({ part: value === "source" ? value : undefined })}
            data={[
              { value: "changes", label: `Changes (${files.length})` },
              { value: "source", label: "Source" },
            ]}
          />
        )}
        <Commit data={data} changes={changes} />
        {changes && data.git?.diff && <SavePatch text={data.git.diff} id={run.id} />}
      </div>
      {changes
        ? files.map((file) => <PatchView key={file.path} file={file} first={files.length < 8} />)
        : sources.map((source) => (
            <Panel key={source.title} title={source.title} flush actions={<Copy text={source.text} label="Copy it" />}>
              <Source text={source.text} />
            </Panel>
          ))}
    </div>
  );
}

function Commit({ data, changes }: { data: Capture; changes: boolean }) {
  const { git } = data;
  if (!git?.commit) return null;
  return (
    <>
      <span className={styles.note}>
        {changes ? "what differed from" : "at"} commit <code>{git.commit.slice(0, 12)}</code>
        {git.branch && ` on ${git.branch}`}
      </span>
      {changes && git.diff_cut && <span className={styles.cut}>the patch was too long and is cut off</span>}
    </>
  );
}

function SavePatch({ text, id }: { text: string; id: string }) {
  return (
    <span className={styles.right}>
      <UnstyledButton className={styles.link} onClick={() => saveText(`${id}.patch`, text)}>
        <Icon name="download" size={13} /> Save the patch
      </UnstyledButton>
      <Copy text={text} label="Copy the patch" />
    </span>
  );
}

export function sourcesOf({ source }: Capture): { title: string; text: string }[] {
  if (!source) return [];
  if (source.cells) return source.cells.map((cell) => ({ title: `Cell ${cell.number}`, text: cell.text }));
  if (!source.text) return [];
  const title = source.path ?? source.kind ?? "Source";
  return [{ title: source.cut ? `${title} (its beginning)` : title, text: source.text }];
}

function Source({ text }: { text: string }) {
  const lines = text.split("\n");
  return (
    <section className={styles.code} tabIndex={0} aria-label="Source">
      {lines.slice(0, MOST_LINES).map((line, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: lines have no other name
        <div key={at} className={styles.line}>
          <span className={styles.number}>{at + 1}</span>
          <span className={styles.text}>{line}</span>
        </div>
      ))}
      {lines.length > MOST_LINES && (
        <p className={styles.more}>{lines.length - MOST_LINES} more lines: copy it to see them</p>
      )}
    </section>
  );
}
