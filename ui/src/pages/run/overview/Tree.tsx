/** Nested values, to search, fold and copy. */

import { Button, TextInput, UnstyledButton } from "@mantine/core";
import { useMemo, useState } from "react";
import type { Value } from "../../../api/types";
import { things } from "../../../format/numbers";
import { Icon } from "../../../shell/Icons";
import { Copy, Panel } from "../parts";
import parts from "../parts.module.css";
import styles from "./Tree.module.css";
import { asJson, type Line, lines } from "./tree";

const MOST = 500;

interface Props {
  title: string;
  value: Value;
  empty: string;
}

export function Tree({ title, value, empty }: Props) {
  const [search, setSearch] = useState("");
  const [most, setMost] = useState(MOST);
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const all = useMemo(() => lines(value), [value]);
  const shown = useMemo(() => lines(value, search, folded), [value, search, folded]);
  const leaves = all.filter((line) => line.value !== null).length;
  const fold = (path: string) => {
    const after = new Set(folded);
    if (!after.delete(path)) after.add(path);
    setFolded(after);
  };
  return (
    <Panel
      title={title}
      note={leaves ? things(leaves, "value") : undefined}
      actions={
        leaves > 0 && (
          <>
            {leaves > 5 && (
              <TextInput
                size="xs"
                className={styles.find ?? ""}
                aria-label={`Find in ${title.toLowerCase()}`}
                placeholder="Find"
                leftSection={<Icon name="search" size={12} />}
                value={search}
                onChange={(event) => setSearch(event.currentTarget.value)}
              />
            )}
            <Copy text={asJson(value)} label={`Copy ${title.toLowerCase()} as JSON`} />
          </>
        )
      }
      flush
    >
      {leaves === 0 ? (
        <p className={styles.empty}>{empty}</p>
      ) : (
        <div className={styles.lines} role="list">
          {shown.slice(0, most).map((line) => (
            <Row key={line.path} line={line} folded={folded.has(line.path) && !search} onFold={fold} />
          ))}
          {shown.length > most && (
            <Button
              className={parts.more ?? ""}
              size="compact-xs"
              variant="subtle"
              onClick={() => setMost(most + MOST)}
            >
              Show {Math.min(MOST, shown.length - most)} more of {(shown.length - most).toLocaleString("en")}
            </Button>
          )}
          {shown.length === 0 && <p className={styles.empty}>Nothing here has that in it</p>}
        </div>
      )}
    </Panel>
  );
}

function Row({ line, folded, onFold }: { line: Line; folded: boolean; onFold: (path: string) => void }) {
  const depth = 16 * Math.min(line.depth, 12);
  if (line.value === null) {
    return (
      <div role="listitem">
        <UnstyledButton
          className={styles.branch}
          style={{ paddingLeft: 14 + depth }}
          aria-expanded={!folded}
          onClick={() => onFold(line.path)}
        >
          <Icon name={folded ? "chevronRight" : "chevronDown"} size={12} />
          {line.name}
          <span className={styles.size}>{line.size}</span>
        </UnstyledButton>
      </div>
    );
  }
  return (
    <div className={styles.line} role="listitem">
      <span className={styles.name} style={{ paddingLeft: depth }} title={line.path}>
        {line.name}
      </span>
      <span className={styles.value} data-kind={line.kind}>
        {line.value}
      </span>
    </div>
  );
}
