/** Versions of artifacts that the run made and used, and their files. */

import { Anchor, UnstyledButton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { address, get } from "../../api/client";
import type { RunDetail, Value } from "../../api/types";
import { asText } from "../../api/values";
import { things } from "../../format/numbers";
import { ago, exact } from "../../format/time";
import { Icon } from "../../shell/Icons";
import { segment } from "../../shell/links";
import { Trouble } from "../../shell/Trouble";
import type { FileRow, Stored } from "../artifacts/types";
import styles from "./FilesTab.module.css";
import { bytes, Empty, Panel } from "./parts";
import { useOfRun } from "./useRun";

export function FilesTab({ run }: { run: RunDetail }) {
  const made = useOfRun<Stored[]>(run.id, "artifacts");
  const used = useOfRun<Stored[]>(run.id, "artifacts", { used: "true" });
  const error = made.error ?? used.error;
  if (error) return <Trouble error={error} />;
  if (!made.data || !used.data) return null;
  if (!made.data.length && !used.data.length) {
    return (
      <Empty title="No files yet">
        <p>Models, data and whatever else is worth keeping become versions, each stored once:</p>
        <pre>{'run.log_artifact("model.pt", type="model", aliases=["best"])\nrun.use_artifact("digits:best")'}</pre>
      </Empty>
    );
  }
  return (
    <div className={styles.page}>
      <Versions title="Made" versions={made.data} />
      <Versions title="Used" versions={used.data} />
    </div>
  );
}

function Versions({ title, versions }: { title: string; versions: readonly Stored[] }) {
  if (!versions.length) return null;
  const newest = [...versions].sort((a, b) => b.created_us - a.created_us);
  const size = versions.reduce((sum, one) => sum + one.size, 0);
  return (
    <Panel title={title} note={`${things(versions.length, "version")}, ${bytes(size)}`} flush>
      <ul className={styles.versions}>
        {newest.map((version, at) => (
          <Row key={version.id} version={version} first={at === 0 && versions.length === 1} />
        ))}
      </ul>
    </Panel>
  );
}

function Row({ version, first }: { version: Stored; first: boolean }) {
  const [open, setOpen] = useState(first);
  const { project, name, aliases, tags, type, size, stored, created_us } = version;
  return (
    <li className={styles.version}>
      <div className={styles.head}>
        <UnstyledButton
          className={styles.fold}
          aria-expanded={open}
          aria-label={`Files of ${name} version ${version.version}`}
          onClick={() => setOpen(!open)}
        >
          <Icon name={open ? "chevronDown" : "chevronRight"} size={14} />
        </UnstyledButton>
        <Link
          className={styles.name}
          to="/$project/artifacts/$artifact"
          params={{ project: segment(project), artifact: segment(name) }}
          search={{ version: String(version.version) } as never}
        >
          {name} <span className={styles.number}>v{version.version}</span>
        </Link>
        {[...aliases, ...tags].map((alias) => (
          <span key={alias} className={styles.alias}>
            {alias}
          </span>
        ))}
        <span className={styles.facts}>
          {type} · {bytes(size)}
          {stored < size && ` (${bytes(stored)} stored)`} · <time title={exact(created_us)}>{ago(created_us)}</time>
        </span>
      </div>
      {open && <Files version={version} />}
    </li>
  );
}

function Files({ version }: { version: Stored }) {
  const { data, error } = useQuery({
    queryKey: ["version-files", version.id],
    queryFn: ({ signal }) => get<FileRow[]>(`/artifacts/${version.id}/files`, {}, signal),
  });
  if (error) return <p className={styles.error}>{error.message}</p>;
  const metadata = Object.entries((version.metadata ?? {}) as Record<string, Value>);
  return (
    <div className={styles.inside}>
      {version.description && <p>{version.description}</p>}
      {metadata.length > 0 && (
        <dl className={styles.metadata}>
          {metadata.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{asText(value)}</dd>
            </div>
          ))}
        </dl>
      )}
      <ul className={styles.files}>
        {(data ?? []).map((file) => (
          <li key={file.path}>
            {file.uri === null ? (
              <Anchor
                size="sm"
                href={address(`/artifacts/${version.id}/file`, { path: file.path })}
                download={file.path.split("/").pop()}
              >
                <Icon name="download" size={12} /> {file.path}
              </Anchor>
            ) : (
              <span>
                {file.path} → {file.uri}
              </span>
            )}
            <span className={styles.size}>{bytes(file.size)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
